package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"errors"
	"io/fs"
	"syscall"
	"unsafe"
)

// Status is why a call failed. Each is an error that errors.Is finds in what this package returns.
type Status int32

// Why a call failed.
const (
	ErrArgument    Status = C.PXDS_ERR_ARGUMENT     // the call itself is wrong
	ErrIO          Status = C.PXDS_ERR_IO           // a system call failed; Error.Errno says how
	ErrNoMemory    Status = C.PXDS_ERR_NOMEM        // there is not enough memory
	ErrNotFound    Status = C.PXDS_ERR_NOT_FOUND    // fs.ErrNotExist too
	ErrExists      Status = C.PXDS_ERR_EXISTS       // fs.ErrExist too
	ErrBusy        Status = C.PXDS_ERR_BUSY         // somebody else holds a lock; see Options.LockWait
	ErrTooSmall    Status = C.PXDS_ERR_TOO_SMALL    // a buffer is too small
	ErrLimit       Status = C.PXDS_ERR_LIMIT        // something is larger than it may be
	ErrCorrupt     Status = C.PXDS_ERR_CORRUPT      // data is not what it was
	ErrFormat      Status = C.PXDS_ERR_FORMAT       // a file is not what it should be
	ErrKey         Status = C.PXDS_ERR_KEY          // a key is needed
	ErrAuth        Status = C.PXDS_ERR_AUTH         // nothing vouches for the data
	ErrState       Status = C.PXDS_ERR_STATE        // not now: closed, finished, or after a failure
	ErrCancelled   Status = C.PXDS_ERR_CANCELLED    // a context is done; Error.Err is its error
	ErrUnsupported Status = C.PXDS_ERR_UNSUPPORTED  // this library, or this system, cannot do it
	ErrProtected   Status = C.PXDS_ERR_PROTECTED    // the snapshot is protected
	ErrPassword    Status = C.PXDS_ERR_PASSWORD     // the password is missing or wrong
	ErrKeyMismatch Status = C.PXDS_ERR_KEY_MISMATCH // another key is needed
	ErrCryptMode   Status = C.PXDS_ERR_CRYPT_MODE   // encrypted, and should not be, or the other way around
	ErrDenied      Status = C.PXDS_ERR_DENIED       // a service refuses who asks
	ErrInternal    Status = C.PXDS_ERR_INTERNAL     // a defect of the library
	ErrPanic       Status = C.PXDS_ERR_PANIC        // a defect of the library, after which the object is dead
)

// ErrIncomplete comes with a list or a result in which something is missing, because it could not be seen. There was
// a Notice of each.
var ErrIncomplete = errors.New("pxds: something could not be seen or read")

// Error is what the status means.
func (s Status) Error() string {
	return C.GoString(C.pxds_status_message(C.pxds_status(s)))
}

// Name is the name of the status in C, such as "PXDS_ERR_IO".
func (s Status) Name() string {
	return C.GoString(C.pxds_status_name(C.pxds_status(s)))
}

// Digest is the SHA-256 that names a chunk.
type Digest [C.PXDS_DIGEST_SIZE]byte

// String gives hexadecimal digits.
func (d Digest) String() string {
	return hexText(d[:])
}

// Error is a failure of the library.
type Error struct {
	Status  Status
	Message string        // what happened, with path, offset and digest; it may be printed as it is
	Path    string        // the file that it is about, or ""
	Offset  int64         // the offset in bytes that it is about, or -1
	Digest  *Digest       // the chunk that it is about, or nil
	Errno   syscall.Errno // of the system call that failed, or 0
	Err     error         // the error of the context that is done, or nil
}

// Error is the message, and the error of a context that is done.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives Err or Errno.
func (e *Error) Unwrap() error {
	if e.Err != nil {
		return e.Err
	}
	if e.Errno != 0 {
		return e.Errno
	}
	return nil
}

// Is compares with a Status, fs.ErrNotExist and fs.ErrExist.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Status == ErrNotFound
	case fs.ErrExist:
		return e.Status == ErrExists
	}
	status, ok := target.(Status)
	return ok && status == e.Status
}

// argument is an ErrArgument of this package's own.
func argument(message string) *Error {
	return &Error{Status: ErrArgument, Message: message, Offset: -1}
}

// cancelled is the error of a call that a context has stopped.
func cancelled(cause error) *Error {
	return &Error{Status: ErrCancelled, Message: ErrCancelled.Error(), Offset: -1, Err: cause}
}

// newError takes a failure, which it frees.
func newError(status C.pxds_status, failure *C.pxds_error) error {
	if status >= 0 {
		return nil // and there is nothing to be freed
	}
	defer C.pxds_error_free(failure)
	e := &Error{Status: Status(status), Offset: -1}
	e.Message = C.GoString(C.pxds_error_message(failure))
	if e.Message == "" {
		e.Message = e.Status.Error()
	}
	e.Path = C.GoString(C.pxds_error_path(failure))
	e.Errno = syscall.Errno(C.pxds_error_errno(failure))
	var offset C.uint64_t
	if C.pxds_error_get_offset(failure, &offset) == C.PXDS_OK {
		e.Offset = int64(offset)
	}
	var digest Digest
	if C.pxds_error_get_digest(failure, (*C.uint8_t)(unsafe.Pointer(&digest[0]))) == C.PXDS_OK {
		e.Digest = &digest
	}
	return e
}
