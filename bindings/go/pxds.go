// Package pxds makes, lists, reads and tends backups in the datastores of Proxmox Backup Server, by the C library
// libpxds, which pkg-config has to find.
//
// A Store holds groups, "host/laptop", and these snapshots, "host/laptop/2020-06-26T13:56:05Z". A snapshot holds
// archives: streams, NAME.didx, which are cut by their content; images of disks, NAME.fidx, which are cut at equal
// distances; and small files, NAME.blob. In a namespace the paths begin with "ns/a/ns/b/".
//
// What may take long or wait for a lock takes a context first, and ends soon after that is done. A Read or Write of
// the caller's that blocks is not interrupted by it. Errors are an *Error; errors.Is compares them with ErrNotFound
// and the like, and with the error of the context. What a reader, writer or callback of the caller's returns comes back
// as it is. After Close errors are fs.ErrClosed, and those of a zero value fs.ErrInvalid.
//
// A Store, Snapshot, File, Index, Source or Key may be used by any number of goroutines at once; a Backup or Image by
// one, a second one is told ErrBusy. Close may be called at any time, and more than once: calls that are under way go
// on to their end. Objects may be closed in any order; those that are forgotten are closed by the garbage collector.
//
// Functions that are handed over, such as Progress and Notice, are called during the call only, on its goroutine. One
// that panics stops the call, and the panic goes on to the caller. It must not call runtime.Goexit, as t.FailNow does.
package pxds

/*
#cgo pkg-config: pxds
#include "bridge.h"
*/
import "C"

import (
	"encoding/hex"
	"fmt"
	"time"
	"unsafe"
)

// Version is the version of the library that is in use.
func Version() string {
	return C.GoString(C.pxds_version())
}

// checkLibrary refuses a library that this package was not compiled for.
func checkLibrary() error {
	if have := C.pxds_abi_version(); have != C.PXDS_ABI_VERSION {
		return fmt.Errorf("pxds: libpxds %s has ABI %d, and this program was compiled for ABI %d",
			Version(), have, C.PXDS_ABI_VERSION)
	}
	return nil
}

// takeBuffer gives the bytes of a buffer, which it frees.
func takeBuffer(buffer *C.pxds_buffer) []byte {
	defer C.pxds_buffer_free(buffer)
	length := int(C.pxds_buffer_len(buffer))
	if length == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(C.pxds_buffer_data(buffer)), length)...)
}

// bytes gives what has a first byte, of which C gets the address. That is taken in the call: so cgo looks at the bytes
// alone, and not at pointers beside them.
func bytes(p []byte) []byte {
	if len(p) == 0 {
		return make([]byte, 1)
	}
	return p
}

func hexText(digits []byte) string {
	return hex.EncodeToString(digits)
}

func digestOf(digest *[32]C.uint8_t) (d Digest) {
	for i := range d {
		d[i] = byte(digest[i])
	}
	return d
}

// unixTime is the time of so many seconds since 1970.
func unixTime(seconds C.int64_t) time.Time {
	return time.Unix(int64(seconds), 0).UTC()
}

// flag gives a bit of a set of flags if the condition holds.
func flag(condition bool, bit C.uint32_t) C.uint32_t {
	if condition {
		return bit
	}
	return 0
}
