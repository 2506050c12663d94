package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"io"
	"os"
	"runtime"
	"strings"
)

// OpenOptions say how a snapshot is opened.
type OpenOptions struct {
	// Key decrypts; and with it only data is given that it has signed, as this snapshot. May be nil.
	Key *Key
	// AllowUnsigned gives, with a key, also data that no signature covers.
	AllowUnsigned bool
	// Salvage gives what can be had where the manifest is damaged, or says otherwise.
	Salvage bool
}

// Signature is the result of checking a manifest's signature.
type Signature uint32

// Results of checking a signature.
const (
	SignatureUnchecked Signature = C.PXDS_SIGNATURE_UNCHECKED // no key was given
	SignatureMissing   Signature = C.PXDS_SIGNATURE_MISSING
	SignatureValid     Signature = C.PXDS_SIGNATURE_VALID
)

// Snapshot is an open snapshot, to read its archives.
type Snapshot struct {
	handle handle[C.pxds_snapshot]
	notice func(Notice)
	store  *C.pxds_store // kept, as the key is
	key    *C.pxds_key
	path   string
}

// OpenSnapshot opens a snapshot, "[ns/NAME/...]TYPE/ID/TIME".
func (s *Store) OpenSnapshot(ctx context.Context, path string, options OpenOptions) (*Snapshot, error) {
	c := &call{ctx: ctx, notice: s.notice}
	name := c.name(path)
	var needed kept
	snapshot := &Snapshot{notice: s.notice, store: keep(&needed, c, &s.handle), path: path}
	if options.Key != nil {
		snapshot.key = keep(&needed, c, &options.Key.handle)
	}
	flags := flag(options.AllowUnsigned, C.PXDS_OPEN_ALLOW_UNSIGNED) | flag(options.Salvage, C.PXDS_OPEN_SALVAGE)
	var out *C.pxds_snapshot
	defer func() {
		if out == nil {
			needed.release()
		}
	}()
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_open(snapshot.store, name, snapshot.key, flags, &out, err)
	})
	if err != nil {
		return nil, err
	}
	snapshot.handle.own(out, "snapshot", func(p *C.pxds_snapshot) {
		C.pxds_snapshot_free(p)
		needed.release()
	})
	runtime.SetFinalizer(snapshot, (*Snapshot).Close)
	return snapshot, nil
}

func (s *Snapshot) begin(ctx context.Context) (*call, *C.pxds_snapshot) {
	c := &call{ctx: ctx, notice: s.notice}
	return c, use(c, &s.handle)
}

// Path is the path of the snapshot below its store.
func (s *Snapshot) Path() string { return s.path }

// Close ends the use of the snapshot. Files that came of it go on. The error is always nil.
func (s *Snapshot) Close() error {
	s.handle.close()
	return nil
}

// Signature is the result of checking the manifest's signature with the key that the snapshot was opened with.
func (s *Snapshot) Signature() Signature {
	snapshot, err := s.handle.acquire()
	if err != nil {
		return SignatureUnchecked
	}
	defer s.handle.release()
	return Signature(C.pxds_snapshot_signature(snapshot))
}

// Manifest gives the manifest, as it was when the snapshot was opened.
func (s *Snapshot) Manifest() (*Manifest, error) {
	c, snapshot := s.begin(nil)
	return newManifest(c, func(out **C.pxds_manifest, err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_get_manifest(snapshot, out, err)
	})
}

// ReadBlob gives the content of a small file, NAME.blob; index.json.blob is the manifest itself.
func (s *Snapshot) ReadBlob(name string) ([]byte, error) {
	c, snapshot := s.begin(nil)
	name_ := c.name(name)
	var out *C.pxds_buffer
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_read_blob(snapshot, name_, C.PXDS_BLOB_MAX_SIZE, &out, err)
	})
	return takeBuffer(out), err
}

// OpenIndex opens the index of an archive, NAME.didx or NAME.fidx.
func (s *Snapshot) OpenIndex(name string) (*Index, error) {
	c, snapshot := s.begin(nil)
	name_ := c.name(name)
	return newIndex(c, func(out **C.pxds_index, err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_open_index(snapshot, name_, out, err)
	})
}

// BadChunk is a chunk that cannot be loaded, and that zeros stand for.
type BadChunk struct {
	Number         uint64 // in the index
	Offset, Length uint64 // in the file
	Digest         Digest
	Status         Status // why
	Message        string
}

//export pxdsGoBadChunk
func pxdsGoBadChunk(handle C.uintptr_t, bad *C.pxds_bad_chunk) C.int32_t {
	return callback(handle, func(c *call) error {
		if c.badChunk == nil {
			return nil
		}
		return c.badChunk(BadChunk{uint64(bad.number), uint64(bad.offset), uint64(bad.length), digestOf(&bad.digest),
			Status(bad.status), C.GoString(bad.message)})
	})
}

// RestoreOptions say how an archive is restored.
type RestoreOptions struct {
	Threads int  // that load chunks; 0: as many as there are processors
	Sparse  bool // leave holes where the output can have them
	SkipBad bool // zeros take the place of chunks that are missing or damaged

	// BadChunk is told of each such chunk before zeros take its place; an error stops the call. nil: without SkipBad
	// a bad chunk is a failure.
	BadChunk func(BadChunk) error

	Progress func(Progress) // of chunks; Bytes are those written
}

func (o *RestoreOptions) c(c *call, key *C.pxds_key) C.pxds_restorer_options {
	c.progress, c.badChunk = o.Progress, o.BadChunk
	options := C.pxds_restorer_options{
		struct_size: C.sizeof_pxds_restorer_options,
		flags:       flag(o.Sparse, C.PXDS_RESTORER_SPARSE) | flag(o.SkipBad, C.PXDS_RESTORER_SKIP_BAD),
		threads:     C.uint32_t(o.Threads),
		key:         key,
		progress:    C.pxds_progress_fn(C.pxds_go_progress),
	}
	if o.BadChunk != nil {
		options.on_bad = C.pxds_bad_chunk_fn(C.pxds_go_bad_chunk)
	}
	return options
}

// RestoreFile writes an archive to the file at path, which appears whole or not at all.
func (s *Snapshot) RestoreFile(ctx context.Context, name, path string, options RestoreOptions) error {
	c, snapshot := s.begin(ctx)
	o := options.c(c, nil)
	name_, path_ := c.name(name), c.name(path)
	return c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_restore_file(snapshot, name_, path_, &o, err)
	})
}

// Restore writes an archive to w, and says how many bytes that was, after a failure too.
func (s *Snapshot) Restore(ctx context.Context, name string, w io.Writer, options RestoreOptions) (int64, error) {
	if strings.HasSuffix(name, ".blob") {
		data, err := s.ReadBlob(name)
		if err != nil {
			return 0, err
		}
		n, err := w.Write(data)
		return int64(n), err
	}
	c, snapshot := s.begin(ctx)
	o := options.c(c, s.key)
	name_ := c.name(name)
	var written int64
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		var index *C.pxds_index
		var restorer *C.pxds_restorer
		status := C.pxds_snapshot_open_index(snapshot, name_, &index, err)
		defer func() { C.pxds_index_free(index) }()
		if status < 0 {
			return status
		}
		status = C.pxds_restorer_new(s.store, &o, &restorer, err)
		defer func() { C.pxds_restorer_free(restorer) }()
		if status < 0 {
			return status
		}
		written, status = restoreTo(c, restorer, index, 0, w, err)
		return status
	})
	return written, err
}

// restoreTo writes the file of an index to w, from offset on. A regular file is written by several threads at once.
func restoreTo(c *call, restorer *C.pxds_restorer, index *C.pxds_index, offset int64, w io.Writer,
	err **C.pxds_error) (int64, C.pxds_status) {
	var written C.uint64_t
	var status C.pxds_status
	if withRegularFile(w, func(fd C.int32_t) {
		status = C.pxds_restorer_write_range_fd(restorer, index, C.uint64_t(offset), C.PXDS_SIZE_UNKNOWN, fd,
			&written, err)
	}) {
		return int64(written), status
	}
	c.write = w.Write
	status = C.pxds_restorer_write_range(restorer, index, C.uint64_t(offset), C.PXDS_SIZE_UNKNOWN,
		C.pxds_write_fn(C.pxds_go_write), nil, &written, err)
	return int64(written), status
}

// withRegularFile does something with the descriptor of a regular file, and says whether f is one.
func withRegularFile(f any, work func(fd C.int32_t)) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	raw, err := file.SyscallConn()
	return err == nil && raw.Control(func(fd uintptr) { work(C.int32_t(fd)) }) == nil
}
