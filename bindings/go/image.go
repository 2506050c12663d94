package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"os"
	"runtime"
	"unsafe"
)

// Image is the image of a disk on its way into a backup: all of it, or what has changed since an earlier one. Pieces
// that come in order are written by Write, chunks by WriteAt; a file or device is read by ReadFile. It is used by one
// goroutine at a time.
type Image struct {
	handle handle[C.pxds_image]
	backup *Backup
	name   string
}

// Range is so many bytes of an image from Offset on.
type Range struct{ Offset, Length uint64 }

// NewImage starts the archive name, NAME.fidx, of size bytes. A size below 0 is not known: the image then ends where
// its data does. The options of the backup hold for it. Finish adds it to the backup.
func (b *Backup) NewImage(ctx context.Context, name string, size int64) (*Image, error) {
	c, _ := b.begin(ctx)
	o := b.options.image()
	if b.options.Crypt != CryptSignOnly {
		o.key = b.key
	}
	length := C.uint64_t(C.PXDS_SIZE_UNKNOWN)
	if size >= 0 {
		length = C.uint64_t(size)
	}
	var out *C.pxds_image
	err := c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_image_new(b.store, length, &o, &out, err) })
	if err != nil {
		return nil, err
	}
	x := &Image{backup: b, name: name}
	x.handle.own(out, "image", func(p *C.pxds_image) { C.pxds_image_free(p) })
	runtime.SetFinalizer(x, (*Image).Close)
	return x, nil
}

func (x *Image) begin(ctx context.Context) (*call, *C.pxds_image) {
	c := &call{ctx: ctx}
	image := use(c, &x.handle)
	if image != nil {
		c.notice, c.progress = x.backup.notice, x.backup.options.Progress
	}
	return c, image
}

// ReuseBitmap takes the chunks that have not changed since an earlier image from its index. Bit i of the bitmap, from
// the lowest bit of the first byte on, is for the granularity bytes at i*granularity, a power of two; a set one says
// that they may have changed. The chunks that are left are then read or written. An earlier index is trusted: of an
// encrypted backup it comes from a snapshot that was opened with the key.
func (x *Image) ReuseBitmap(ctx context.Context, earlier *Index, bitmap []byte, granularity uint64) error {
	c, image := x.begin(ctx)
	index := use(c, &earlier.handle)
	return c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_image_reuse_bitmap(image, index, (*C.uint8_t)(&bytes(bitmap)[0]), C.size_t(len(bitmap)),
			C.uint64_t(granularity), err)
	})
}

// ReuseRanges is ReuseBitmap, where what may have changed is ranges, in any order; none say that nothing has.
func (x *Image) ReuseRanges(ctx context.Context, earlier *Index, changed []Range) error {
	c, image := x.begin(ctx)
	index := use(c, &earlier.handle)
	ranges := make([]C.pxds_image_range, len(changed)+1)
	for i, r := range changed {
		ranges[i] = C.pxds_image_range{offset: C.uint64_t(r.Offset), length: C.uint64_t(r.Length)}
	}
	return c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_image_reuse_ranges(image, index, &ranges[0], C.size_t(len(changed)), err)
	})
}

// ReadFile reads every chunk that the image lacks from a regular file or block device, but no holes.
func (x *Image) ReadFile(ctx context.Context, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode(); !mode.IsRegular() && (mode&os.ModeDevice == 0 || mode&os.ModeCharDevice != 0) {
		return argument(file.Name() + " is neither a regular file nor a block device")
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		c, image := x.begin(ctx)
		result = c.run(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_image_read_fd(image, C.int32_t(fd), err)
		})
	})
	if err != nil {
		return err
	}
	return result
}

// Write takes the next bytes of the image.
func (x *Image) Write(p []byte) (int, error) {
	c, image := x.begin(nil)
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_image_write(image, unsafe.Pointer(&bytes(p)[0]), C.size_t(len(p)), err)
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt takes whole chunks, which begin at offset, a multiple of their size; only the one at the end of the image may
// be shorter. They come in any order, and replace what there was in their place.
func (x *Image) WriteAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, argument("negative offset")
	}
	for n < len(p) && err == nil {
		c, image := x.begin(nil)
		piece := p[n:]
		if size := x.chunkSize(); len(piece) > size {
			piece = piece[:size]
		}
		err = c.run(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_image_write_at(image, C.uint64_t(offset)+C.uint64_t(n), unsafe.Pointer(&piece[0]),
				C.size_t(len(piece)), err)
		})
		if err == nil {
			n += len(piece)
		}
	}
	return n, err
}

func (x *Image) chunkSize() int {
	if x.backup != nil && x.backup.options.ChunkSize != 0 {
		return int(x.backup.options.ChunkSize)
	}
	return C.PXDS_PBS_IMAGE_CHUNK_SIZE
}

// Finish adds the image to its backup, under its name. If chunks are missing that is ErrState with the Offset of the
// first, nothing has changed, and they can still be read or written.
func (x *Image) Finish(ctx context.Context) (AddStats, error) {
	c, image := x.begin(ctx)
	stats := C.pxds_ingest_stats{struct_size: C.sizeof_pxds_ingest_stats}
	if image == nil {
		return AddStats{}, c.run(nil)
	}
	backup, name := use(c, &x.backup.handle), c.name(x.name)
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		var index *C.pxds_index_writer
		status := C.pxds_image_finish(image, &index, err)
		defer func() { C.pxds_index_writer_free(index) }()
		if status >= 0 {
			status = C.pxds_backup_add_index(backup, name, index, err)
		}
		if status >= 0 {
			status = C.pxds_image_get_stats(image, &stats, err)
		}
		return status
	})
	return addStats(&stats), err
}

// Close ends the use of the image. One that is not finished leaves nothing but chunks. The error is always nil.
func (x *Image) Close() error {
	x.handle.close()
	return nil
}
