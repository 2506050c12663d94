package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"unsafe"
)

// Source is where chunks come from: a store, or what a function of the caller's gets from elsewhere.
type Source struct {
	handle handle[C.pxds_source]
	notice func(Notice)
	key    *C.pxds_key // kept
	get    func(Digest) ([]byte, error)
}

// NewSource makes a source of a function that gives the encoded blob of a chunk, as its file in a store is. An error
// that is fs.ErrNotExist says that there is none; any other stops the call that needs the chunk. What is given is
// checked. Several goroutines that read call it at once. key is what chunks are encrypted with; it may be nil.
func NewSource(get func(Digest) ([]byte, error), key *Key) (*Source, error) {
	if err := checkLibrary(); err != nil {
		return nil, err
	}
	o := C.pxds_source_options{struct_size: C.sizeof_pxds_source_options,
		get: C.pxds_source_get_fn(C.pxds_go_get)}
	return newSource(&call{}, &Source{get: get}, key, func(out **C.pxds_source, err **C.pxds_error) C.pxds_status {
		return C.pxds_source_new(&o, out, err)
	})
}

// Source makes a source of the store. key is what its chunks are encrypted with; it may be nil.
func (s *Store) Source(key *Key) (*Source, error) {
	c, store := s.begin(nil)
	source := &Source{notice: s.notice}
	return newSource(c, source, key, func(out **C.pxds_source, err **C.pxds_error) C.pxds_status {
		return C.pxds_source_from_store(store, out, err)
	})
}

func newSource(c *call, s *Source, key *Key, f func(**C.pxds_source, **C.pxds_error) C.pxds_status) (*Source, error) {
	var needed kept
	if key != nil {
		s.key = keep(&needed, c, &key.handle)
	}
	var out *C.pxds_source
	if err := c.run(func(err **C.pxds_error) C.pxds_status { return f(&out, err) }); err != nil {
		needed.release()
		return nil, err
	}
	s.handle.own(out, "source", func(p *C.pxds_source) {
		C.pxds_source_free(p)
		needed.release()
	})
	runtime.SetFinalizer(s, (*Source).Close)
	return s, nil
}

// asking gives blobs to one call. The function is asked once for a chunk, also where there is too little room at first.
func (s *Source) asking() func(Digest, []byte) (int, error) {
	if s.get == nil {
		return nil
	}
	var large []byte
	var name Digest
	return func(digest Digest, room []byte) (n int, err error) {
		blob := large
		if large == nil || digest != name {
			if blob, err = s.get(digest); err != nil {
				return 0, err
			}
		}
		if large = nil; copy(room, blob) < len(blob) {
			large, name = blob, digest
		}
		return len(blob), nil
	}
}

//export pxdsGoGet
func pxdsGoGet(handle C.uintptr_t, digest, data *C.uint8_t, capacity C.size_t, length *C.size_t) C.int32_t {
	missing := false
	stop := callback(handle, func(c *call) error {
		n, err := c.get(digestOf((*[32]C.uint8_t)(unsafe.Pointer(digest))), unsafe.Slice((*byte)(data), int(capacity)))
		*length = C.size_t(n)
		if missing = errors.Is(err, fs.ErrNotExist); missing {
			return nil
		}
		return err
	})
	if missing {
		return C.PXDS_NONE
	}
	return stop
}

// OpenFile opens what an index describes, for reading.
func (s *Source) OpenFile(index *Index, options FileOptions) (*File, error) {
	c := &call{notice: s.notice, get: s.asking()}
	f := &chunkContent{notice: s.notice, source: s}
	source := keep(&f.kept, c, &s.handle)
	f.index = keep(&f.kept, c, &index.handle)
	err := f.open(c, options, s.key, func(reader **C.pxds_reader, o *C.pxds_reader_options,
		r *C.pxds_restorer_options, err **C.pxds_error) C.pxds_status {
		status := C.pxds_reader_new_from(source, f.index, o, reader, err)
		if status >= 0 {
			status = C.pxds_restorer_new_from(source, r, &f.restorer, err)
		}
		return status
	})
	if err != nil {
		return nil, err
	}
	return newFile("", f.size, f), nil
}

// Restore writes what an index describes to w, and says how many bytes that was, after a failure too.
func (s *Source) Restore(ctx context.Context, index *Index, w io.Writer, options RestoreOptions) (int64, error) {
	c := &call{ctx: ctx, notice: s.notice, get: s.asking()}
	source, x := use(c, &s.handle), use(c, &index.handle)
	o := options.c(c, s.key)
	var written int64
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		var restorer *C.pxds_restorer
		status := C.pxds_restorer_new_from(source, &o, &restorer, err)
		defer func() { C.pxds_restorer_free(restorer) }()
		if status >= 0 {
			written, status = restoreTo(c, restorer, x, 0, w, err)
		}
		return status
	})
	return written, err
}

// CopyArchive adds the archive name, NAME.didx or NAME.fidx, of an index that Snapshot.OpenIndex has opened, and brings
// the chunks that are missing from a source, as they are. Encrypted ones need the key of the source.
func (b *Backup) CopyArchive(ctx context.Context, name string, source *Source, index *Index) (AddStats, error) {
	c, backup := b.begin(ctx)
	c.get = source.asking()
	from, x, name_ := use(c, &source.handle), use(c, &index.handle), c.name(name)
	o := C.pxds_copy_options{struct_size: C.sizeof_pxds_copy_options, threads: C.uint32_t(b.options.Threads),
		key: source.key, progress: C.pxds_progress_fn(C.pxds_go_progress)}
	stats := C.pxds_ingest_stats{struct_size: C.sizeof_pxds_ingest_stats}
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		var writer *C.pxds_index_writer
		status := C.pxds_store_copy_chunks(b.store, from, x, &o, &stats, &writer, err)
		defer func() { C.pxds_index_writer_free(writer) }()
		if status >= 0 {
			status = C.pxds_backup_add_index(backup, name_, writer, err)
		}
		return status
	})
	return addStats(&stats), err
}

// Close ends the use of the source. Files that came of it go on. The error is always nil.
func (s *Source) Close() error {
	s.handle.close()
	return nil
}
