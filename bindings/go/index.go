package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"runtime"
	"time"
)

// Index says which chunks make up a file.
type Index struct{ handle handle[C.pxds_index] }

// IndexInfo is what an index says of itself.
type IndexInfo struct {
	Fixed     bool   // of an image; otherwise of a stream
	Size      uint64 // bytes of the file
	Chunks    uint64
	ChunkSize uint64 // of an image
	Created   time.Time
	UUID      [16]byte
	Csum      Digest
}

// IndexChunk is a chunk in an index.
type IndexChunk struct {
	Start, End uint64 // in the file
	Digest     Digest
}

// OpenIndex opens the index file at path, NAME.didx or NAME.fidx. That of a snapshot: Snapshot.OpenIndex.
func OpenIndex(path string) (*Index, error) {
	c := &call{}
	path_ := c.name(path)
	return newIndex(c, func(out **C.pxds_index, err **C.pxds_error) C.pxds_status {
		return C.pxds_index_open(path_, C.PXDS_INDEX_ANY, out, err)
	})
}

func newIndex(c *call, f func(**C.pxds_index, **C.pxds_error) C.pxds_status) (*Index, error) {
	var out *C.pxds_index
	if err := c.run(func(err **C.pxds_error) C.pxds_status { return f(&out, err) }); err != nil {
		return nil, err
	}
	x := &Index{}
	x.handle.own(out, "index", func(p *C.pxds_index) { C.pxds_index_free(p) })
	runtime.SetFinalizer(x, (*Index).Close)
	return x, nil
}

// Info gives what the index says of itself.
func (x *Index) Info() (IndexInfo, error) {
	c := &call{}
	index := use(c, &x.handle)
	info := C.pxds_index_info{struct_size: C.sizeof_pxds_index_info}
	err := c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_index_get_info(index, &info, err) })
	if err != nil {
		return IndexInfo{}, err
	}
	result := IndexInfo{Fixed: info.kind == C.PXDS_INDEX_FIXED, Size: uint64(info.size),
		Chunks: uint64(info.chunk_count), ChunkSize: uint64(info.chunk_size), Created: unixTime(info.ctime),
		Csum: digestOf(&info.csum)}
	for i := range result.UUID {
		result.UUID[i] = byte(info.uuid[i])
	}
	return result, nil
}

// Chunks gives the chunks from number first on, at most max of them; none behind the last.
func (x *Index) Chunks(first uint64, max int) ([]IndexChunk, error) {
	c := &call{}
	index := use(c, &x.handle)
	info, err := x.Info()
	if err != nil || max <= 0 || first >= info.Chunks {
		c.refuse(err)
		return nil, c.run(func(**C.pxds_error) C.pxds_status { return C.PXDS_OK })
	}
	if left := info.Chunks - first; uint64(max) > left {
		max = int(left)
	}
	entries := make([]C.pxds_index_chunk_info, max)
	entries[0].struct_size = C.sizeof_pxds_index_chunk_info
	var count C.size_t
	err = c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_index_get_chunks(index, C.uint64_t(first), &entries[0], C.size_t(max), &count, err)
	})
	chunks := make([]IndexChunk, count)
	for i := range chunks {
		e := &entries[i]
		chunks[i] = IndexChunk{uint64(e.start), uint64(e.end), digestOf(&e.digest)}
	}
	return chunks, err
}

// Check compares the entries with the csum in the index.
func (x *Index) Check() error {
	c := &call{}
	index := use(c, &x.handle)
	return c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_index_check_csum(index, err) })
}

// Close ends the use of the index. The error is always nil.
func (x *Index) Close() error {
	x.handle.close()
	return nil
}
