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
	"time"
	"unsafe"
)

// BackupOptions say how a snapshot is made.
type BackupOptions struct {
	Time  time.Time // zero: now
	Owner string    // of a new group, "user@realm"; "" is root@pam
	Notes string    // the first line is shown as the comment
	Key   *Key      // what the snapshot is encrypted and signed with; nil: it is not
	Crypt CryptMode // with a key

	Threads      int    // that store chunks; 0: as many as there are processors
	NoCompress   bool   // store chunks and blobs as they are
	Strict       bool   // a file that changes while it is read is a failure
	AverageSize  uint64 // of the chunks of a stream; 0: 4 MiB
	ChunkSize    uint64 // of an image; 0: 4 MiB
	AnyChunkSize bool   // let the two be others, which Proxmox Backup Server does not expect

	// Progress is told of each archive in Bytes, of a Total in the same units as Done: bytes, where a file says how
	// many there are, and chunks of an image. Finish tells in phase BackupFinish.
	Progress func(Progress)
}

// Phases of Progress while a backup is started and finished.
const (
	BackupWait   = C.PXDS_BACKUP_PHASE_WAIT // seconds until the snapshot's time is new
	BackupFinish = C.PXDS_BACKUP_PHASE_FINISH
)

// AddStats are sums over the chunks of an archive.
type AddStats struct {
	Size            uint64 // plain bytes
	Chunks          uint64
	NewChunks       uint64 // that the store did not have
	NewBytes        uint64 // their plain bytes
	StoredBytes     uint64 // bytes of their files
	CompressedBytes uint64 // bytes of the files of all chunks, each counted as often as it came
}

// Backup makes a snapshot. Nothing is seen of it before Finish.
type Backup struct {
	handle   handle[C.pxds_backup]
	notice   func(Notice)
	options  BackupOptions
	store    *C.pxds_store // kept, as the key is
	key      *C.pxds_key
	snapshot string
	previous string
}

// NewBackup starts a snapshot of group, "[ns/NAME/...]TYPE/ID", which is made if it is missing. Close follows.
func (s *Store) NewBackup(ctx context.Context, group string, options BackupOptions) (*Backup, error) {
	c := &call{ctx: ctx, notice: s.notice, progress: options.Progress}
	name := c.name(group)
	var needed kept
	b := &Backup{notice: s.notice, options: options, store: keep(&needed, c, &s.handle)}
	if options.Key != nil {
		b.key = keep(&needed, c, &options.Key.handle)
	}
	o := C.pxds_backup_options{
		struct_size: C.sizeof_pxds_backup_options,
		flags: flag(!options.Time.IsZero(), C.PXDS_BACKUP_SET_TIME) |
			flag(options.AnyChunkSize, C.PXDS_BACKUP_ANY_CHUNK_SIZE),
		owner:      c.text(options.Owner),
		notes:      c.text(options.Notes),
		key:        b.key,
		crypt_mode: C.uint32_t(options.Crypt),
		progress:   C.pxds_progress_fn(C.pxds_go_progress),
	}
	if !options.Time.IsZero() {
		o.time = C.int64_t(options.Time.Unix())
	}
	var out *C.pxds_backup
	defer func() {
		if out == nil {
			needed.release()
		}
	}()
	err := c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_backup_new(b.store, name, &o, &out, err) })
	if err != nil {
		return nil, err
	}
	b.snapshot = C.GoString(C.pxds_backup_snapshot(out))
	b.previous = C.GoString(C.pxds_backup_previous(out))
	b.handle.own(out, "backup", func(p *C.pxds_backup) {
		C.pxds_backup_free(p)
		needed.release()
	})
	runtime.SetFinalizer(b, (*Backup).Close)
	return b, nil
}

// Snapshot is the path of the snapshot that this will be.
func (b *Backup) Snapshot() string { return b.snapshot }

// Previous is the path of the last finished snapshot of the group, or "".
func (b *Backup) Previous() string { return b.previous }

func (b *Backup) begin(ctx context.Context) (*call, *C.pxds_backup) {
	c := &call{ctx: ctx, notice: b.notice, progress: b.options.Progress}
	return c, use(c, &b.handle)
}

// AddReader adds what r gives to its end, as the kind of archive that name says: NAME.didx, NAME.fidx or NAME.blob.
// Any failure, and a cancel, ends the backup. An *os.File that is a regular file is read by the library itself.
//
// A Read that blocks is waited for beyond the end of ctx, since nobody else may take what r gives: who wants the call
// to end with ctx closes r then, or what r reads from, so that Read returns. The error is that of ctx.
func (b *Backup) AddReader(ctx context.Context, name string, r io.Reader) (AddStats, error) {
	c, backup := b.begin(ctx)
	c.read = reading(ctx, r)
	name_ := c.name(name)
	return b.add(c, func(stream *C.pxds_ingest_options, image *C.pxds_image_options,
		stats *C.pxds_ingest_stats, err **C.pxds_error) (status C.pxds_status) {
		if (!strings.HasSuffix(name, ".fidx") || atStart(r)) && withRegularFile(r, func(fd C.int32_t) {
			status = C.pxds_backup_add_fd(backup, name_, fd, stream, image, stats, err)
		}) {
			return status
		}
		return C.pxds_backup_add_stream(backup, name_, C.pxds_read_fn(C.pxds_go_read), nil, stream, image, stats, err)
	})
}

// atStart says whether a file stands at its start, where the library begins to read an image.
func atStart(r io.Reader) bool {
	file, ok := r.(*os.File)
	if !ok {
		return false
	}
	at, err := file.Seek(0, io.SeekCurrent)
	return err == nil && at == 0
}

// AddFile adds the file or device at path, as AddReader does. Holes are not read. One that cannot be opened does not
// end the backup.
func (b *Backup) AddFile(ctx context.Context, name, path string) (AddStats, error) {
	c, backup := b.begin(ctx)
	name_, path_ := c.name(name), c.name(path)
	return b.add(c, func(stream *C.pxds_ingest_options, image *C.pxds_image_options,
		stats *C.pxds_ingest_stats, err **C.pxds_error) C.pxds_status {
		return C.pxds_backup_add_file(backup, name_, path_, stream, image, stats, err)
	})
}

func (b *Backup) add(c *call, f func(*C.pxds_ingest_options, *C.pxds_image_options, *C.pxds_ingest_stats,
	**C.pxds_error) C.pxds_status) (AddStats, error) {
	o := &b.options
	stream := C.pxds_ingest_options{
		struct_size: C.sizeof_pxds_ingest_options,
		flags:       flag(o.NoCompress, C.PXDS_INGEST_NO_COMPRESS) | flag(o.Strict, C.PXDS_INGEST_STRICT),
		threads:     C.uint32_t(o.Threads),
		progress:    C.pxds_progress_fn(C.pxds_go_progress),
	}
	image := o.image()
	stats := C.pxds_ingest_stats{struct_size: C.sizeof_pxds_ingest_stats}
	// Memory of C's: Go may not put a pointer to its own into an argument of C's.
	chunker := (*C.pxds_chunker_config)(C.calloc(1, C.sizeof_pxds_chunker_config))
	defer C.free(unsafe.Pointer(chunker))
	chunker.struct_size = C.sizeof_pxds_chunker_config
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		if o.AverageSize != 0 {
			if status := C.pxds_chunker_config_init(chunker, C.uint64_t(o.AverageSize), err); status < 0 {
				return status
			}
			stream.chunker = chunker
		}
		return f(&stream, &image, &stats, err)
	})
	return addStats(&stats), err
}

func (o *BackupOptions) image() C.pxds_image_options {
	return C.pxds_image_options{
		struct_size: C.sizeof_pxds_image_options,
		flags:       flag(o.NoCompress, C.PXDS_IMAGE_NO_COMPRESS) | flag(o.Strict, C.PXDS_IMAGE_STRICT),
		threads:     C.uint32_t(o.Threads),
		chunk_size:  C.uint64_t(o.ChunkSize),
		progress:    C.pxds_progress_fn(C.pxds_go_progress),
	}
}

func addStats(s *C.pxds_ingest_stats) AddStats {
	return AddStats{uint64(s.size), uint64(s.chunks), uint64(s.new_chunks), uint64(s.new_bytes),
		uint64(s.stored_bytes), uint64(s.compressed_bytes)}
}

// AddBlob adds the small file name, NAME.blob, with this content: at most 128 MiB.
func (b *Backup) AddBlob(name string, data []byte) error {
	c, backup := b.begin(nil)
	name_ := c.name(name)
	flags := flag(b.options.NoCompress, C.PXDS_ADD_NO_COMPRESS)
	return c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_backup_add_blob(backup, name_, unsafe.Pointer(&bytes(data)[0]), C.size_t(len(data)), flags, err)
	})
}

// AddSealedKey adds the backup's key, sealed for a master key as Key.Seal does it, as rsa-encrypted.key.blob.
func (b *Backup) AddSealedKey(sealed []byte) error {
	c, backup := b.begin(nil)
	return c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_backup_add_sealed_key(backup, unsafe.Pointer(&bytes(sealed)[0]), C.size_t(len(sealed)), err)
	})
}

// Finish brings everything to the disk and gives the snapshot its name.
func (b *Backup) Finish(ctx context.Context) error {
	c, backup := b.begin(ctx)
	return c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_backup_finish(backup, err) })
}

// Close ends the use of the backup. One that is not finished leaves nothing but chunks. The error is always nil.
func (b *Backup) Close() error {
	b.handle.close()
	return nil
}
