package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"io"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// Small reads come out of a buffer of so many bytes.
const fileBuffer = 256 << 10

// FileOptions say how an archive is read.
type FileOptions struct {
	Threads   int  // that one call may load chunks on; 0: as many as there are processors
	CacheSize int  // bytes of decoded chunks that are kept; 0: 64 MiB
	SkipBad   bool // zeros take the place of chunks that are missing or damaged

	// BadChunk is told of each such chunk each time that it is read; an error stops the call. It may be called by
	// several goroutines at once, if several read. nil: without SkipBad a bad chunk is a failure.
	BadChunk func(BadChunk) error
}

// File reads an archive of a snapshot: anywhere, by ReadAt, from any number of goroutines; or in order, as an io.Reader
// whose small reads are buffered, an io.Seeker and an io.WriterTo.
type File struct {
	name    string
	size    int64
	content content

	mu     sync.Mutex // of what follows
	offset int64
	buffer []byte
	start  int64 // where the content of the buffer begins
}

// content is where a file comes from: chunks, or memory.
type content interface {
	ReadAt(p []byte, offset int64) (int, error)
	writeTo(w io.Writer, offset int64) (int64, error)
	check() error // fs.ErrClosed after close
	close()
}

// OpenFile opens an archive, NAME.didx, NAME.fidx or NAME.blob, for reading.
func (s *Snapshot) OpenFile(name string) (*File, error) {
	return s.OpenFileWith(name, FileOptions{})
}

// OpenFileWith is OpenFile with options, which do not matter for a blob.
func (s *Snapshot) OpenFileWith(name string, options FileOptions) (*File, error) {
	if strings.HasSuffix(name, ".blob") {
		data, err := s.ReadBlob(name)
		if err != nil {
			return nil, err
		}
		blob := &blobContent{}
		blob.handle.own(&data, "file", func(*[]byte) {})
		return newFile(name, int64(len(data)), blob), nil
	}
	chunks, err := s.openChunks(name, options)
	if err != nil {
		return nil, err
	}
	return newFile(name, chunks.size, chunks), nil
}

func newFile(name string, size int64, content content) *File {
	f := &File{name: name, size: size, content: content}
	runtime.SetFinalizer(f, (*File).Close)
	return f
}

func (f *File) from() content {
	if f.content == nil {
		return &blobContent{}
	}
	return f.content
}

// Name is the name of the archive.
func (f *File) Name() string { return f.name }

// Size is how many bytes there are.
func (f *File) Size() int64 { return f.size }

// Close ends the use of the file. The error is always nil.
func (f *File) Close() error {
	f.from().close()
	return nil
}

// ReadAt reads len(p) bytes from offset on; fewer with io.EOF.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	defer runtime.KeepAlive(f)
	if offset < 0 {
		return 0, argument("negative offset")
	}
	n, err := f.from().ReadAt(p, offset)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Read reads the next bytes.
func (f *File) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.from().check(); err != nil {
		return 0, err
	}
	at := f.offset - f.start
	if len(p) == 0 {
		return 0, nil
	}
	if at < 0 || at >= int64(len(f.buffer)) {
		if len(p) >= fileBuffer {
			n, err := f.ReadAt(p, f.offset)
			f.offset += int64(n)
			if n > 0 && err == io.EOF {
				err = nil
			}
			return n, err
		}
		if f.buffer == nil {
			f.buffer = make([]byte, 0, fileBuffer)
		}
		n, err := f.ReadAt(f.buffer[:fileBuffer], f.offset)
		f.buffer, f.start, at = f.buffer[:n], f.offset, 0
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, f.buffer[at:])
	f.offset += int64(n)
	return n, nil
}

// Seek sets where the next Read and WriteTo begin.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return 0, argument("there is no such place to seek to")
	}
	f.offset = offset
	return offset, nil
}

// WriteTo writes the bytes from here to the end to w, chunk by chunk; to an *os.File that is a regular file on several
// threads. io.Copy uses it. See also Snapshot.Restore.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offset >= f.size {
		return 0, f.from().check()
	}
	n, err := f.from().writeTo(w, f.offset)
	f.offset += n
	return n, err
}

// chunkContent is the content of an index.
type chunkContent struct {
	handle   handle[C.pxds_reader]
	index    *C.pxds_index // kept
	restorer *C.pxds_restorer
	kept     kept
	size     int64
	notice   func(Notice)
	bad      func(BadChunk) error
	source   *Source // or nil
}

func (s *Snapshot) openChunks(name string, options FileOptions) (*chunkContent, error) {
	c, snapshot := s.begin(nil)
	name_ := c.name(name)
	f := &chunkContent{notice: s.notice}
	f.kept = kept{func() { C.pxds_index_free(f.index) }}
	return f, f.open(c, options, s.key, func(reader **C.pxds_reader, o *C.pxds_reader_options,
		r *C.pxds_restorer_options, err **C.pxds_error) C.pxds_status {
		status := C.pxds_snapshot_open_reader(snapshot, name_, o, reader, err)
		if status >= 0 {
			status = C.pxds_snapshot_open_index(snapshot, name_, &f.index, err)
		}
		if status >= 0 {
			status = C.pxds_restorer_new(s.store, r, &f.restorer, err)
		}
		return status
	})
}

// open makes the reader, and by work the index and the restorer too.
func (f *chunkContent) open(c *call, options FileOptions, key *C.pxds_key, work func(**C.pxds_reader,
	*C.pxds_reader_options, *C.pxds_restorer_options, **C.pxds_error) C.pxds_status) error {
	restoring := RestoreOptions{Threads: options.Threads, SkipBad: options.SkipBad, BadChunk: options.BadChunk}
	r := restoring.c(c, key)
	o := C.pxds_reader_options{
		struct_size: C.sizeof_pxds_reader_options,
		flags:       flag(options.SkipBad, C.PXDS_READER_SKIP_BAD),
		threads:     C.uint32_t(options.Threads),
		cache_size:  C.size_t(options.CacheSize),
		on_bad:      r.on_bad,
	}
	if f.source != nil {
		o.key = key // a snapshot has its own
	}
	var reader *C.pxds_reader
	err := c.run(func(err **C.pxds_error) C.pxds_status { return work(&reader, &o, &r, err) })
	free := func(p *C.pxds_reader) {
		C.pxds_reader_free(p)
		C.pxds_restorer_free(f.restorer)
		f.kept.release()
	}
	if err != nil {
		free(reader)
		return err
	}
	f.bad, f.size = options.BadChunk, int64(C.pxds_reader_size(reader))
	f.handle.own(reader, "file", free)
	return nil
}

// call starts a call with what its callbacks need.
func (f *chunkContent) call() *call {
	c := &call{notice: f.notice, badChunk: f.bad}
	if f.source != nil {
		c.get = f.source.asking()
	}
	return c
}

func (f *chunkContent) ReadAt(p []byte, offset int64) (int, error) {
	if len(p) == 0 {
		return 0, f.check()
	}
	var n C.size_t
	read := func(reader *C.pxds_reader, err **C.pxds_error) C.pxds_status {
		return C.pxds_reader_read_at(reader, C.uint64_t(offset), unsafe.Pointer(&p[0]), C.size_t(len(p)), &n, err)
	}
	c := f.call()
	if c.badChunk == nil && c.get == nil { // and so no callback, for which a call has to be made known
		reader, err := f.handle.acquire()
		if err != nil {
			return 0, err
		}
		defer f.handle.release()
		var failure *C.pxds_error
		status := read(reader, &failure)
		return int(n), newError(status, failure)
	}
	reader := use(c, &f.handle)
	err := c.run(func(err **C.pxds_error) C.pxds_status { return read(reader, err) })
	return int(n), err
}

func (f *chunkContent) writeTo(w io.Writer, offset int64) (n int64, err error) {
	c := f.call()
	use(c, &f.handle)
	err = c.run(func(err **C.pxds_error) (status C.pxds_status) {
		n, status = restoreTo(c, f.restorer, f.index, offset, w, err)
		return status
	})
	return n, err
}

func (f *chunkContent) check() error { return f.handle.check() }

func (f *chunkContent) close() { f.handle.close() }

// blobContent is the content of a small file.
type blobContent struct{ handle handle[[]byte] }

func (f *blobContent) ReadAt(p []byte, offset int64) (int, error) {
	data, err := f.handle.acquire()
	if err != nil {
		return 0, err
	}
	defer f.handle.release()
	if offset >= int64(len(*data)) {
		return 0, nil
	}
	return copy(p, (*data)[offset:]), nil
}

func (f *blobContent) writeTo(w io.Writer, offset int64) (int64, error) {
	data, err := f.handle.acquire()
	if err != nil {
		return 0, err
	}
	defer f.handle.release()
	n, err := w.Write((*data)[offset:])
	return int64(n), err
}

func (f *blobContent) check() error { return f.handle.check() }

func (f *blobContent) close() { f.handle.close() }
