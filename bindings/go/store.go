package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime"
	"time"
)

// Layout is how a store names its chunk directories.
type Layout uint32

// Layouts of stores.
const (
	LayoutDefault Layout = C.PXDS_LAYOUT_DEFAULT
	LayoutHex2    Layout = C.PXDS_LAYOUT_HEX2 // 256 directories; the default
	LayoutHex4    Layout = C.PXDS_LAYOUT_HEX4 // 65536, which Proxmox Backup Server needs
)

// Sync is what is brought to the disk before an index or a snapshot gets its name.
type Sync uint32

// What is brought to the disk.
const (
	SyncDefault    Sync = C.PXDS_SYNC_DEFAULT
	SyncNone       Sync = C.PXDS_SYNC_NONE
	SyncFile       Sync = C.PXDS_SYNC_FILE
	SyncFilesystem Sync = C.PXDS_SYNC_FILESYSTEM // the default
)

// Owner is the user and group that new files of a store are given to.
type Owner struct{ UID, GID uint32 }

// Options say how a store is made or opened. The header of C has more on each.
type Options struct {
	Layout       Layout // of a new store
	Sync         Sync
	Owner        *Owner // nil: files that root makes belong to the owner of the store
	Shared       bool   // a new store's directory has mode 0755, and not 0700
	ReadOnly     bool   // whatever would change the store is ErrState
	Mixed        bool   // accept both layouts in one store
	Bare         bool   // accept a store without chunks
	NoAtimeProbe bool   // make a store where access times may not be kept
	S3Cache      bool   // it is PBS's local cache of a store in S3
	NotS3Cache   bool   // it is none, whatever it looks like

	// StoreName is the name by which a running Proxmox Backup Server, 3.3.5 or newer, knows the store; LockDir, with
	// it, the directory of its lock files if that is another.
	StoreName, LockDir string

	// LockWait is how long a lock is waited for that somebody else holds; 0: that is ErrBusy at once.
	LockWait time.Duration

	// Notice takes what a user should know and is no failure, of every call on the store and what comes of it.
	Notice func(Notice)
}

// Store is an open datastore.
type Store struct {
	handle handle[C.pxds_store]
	notice func(Notice)
}

// Open opens the store in the directory path.
func Open(path string, options Options) (*Store, error) {
	return newStore(path, options, func(path *C.char, o *C.pxds_store_options, out **C.pxds_store,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_store_open(path, o, out, err)
	})
}

// Create makes a store in the directory path, which is made if it is missing.
func Create(path string, options Options) (*Store, error) {
	return newStore(path, options, func(path *C.char, o *C.pxds_store_options, out **C.pxds_store,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_store_create(path, o, out, err)
	})
}

// OpenOrCreate opens the store in the directory path, after making what is missing.
func OpenOrCreate(path string, options Options) (*Store, error) {
	return newStore(path, options, func(path *C.char, o *C.pxds_store_options, out **C.pxds_store,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_store_open_or_create(path, o, out, err)
	})
}

func newStore(path string, options Options, open func(*C.char, *C.pxds_store_options, **C.pxds_store,
	**C.pxds_error) C.pxds_status) (*Store, error) {
	if err := checkLibrary(); err != nil {
		return nil, err
	}
	c := &call{notice: options.Notice}
	o := options.c(c)
	path_ := c.name(path)
	var out *C.pxds_store
	err := c.run(func(err **C.pxds_error) C.pxds_status { return open(path_, &o, &out, err) })
	if err != nil {
		return nil, err
	}
	s := &Store{notice: options.Notice}
	s.handle.own(out, "store", func(p *C.pxds_store) { C.pxds_store_free(p) })
	runtime.SetFinalizer(s, (*Store).Close)
	return s, nil
}

func (options *Options) c(c *call) C.pxds_store_options {
	if options.LockWait < 0 {
		c.refuse(argument("negative time to wait"))
	}
	o := C.pxds_store_options{
		struct_size: C.sizeof_pxds_store_options,
		layout:      C.uint32_t(options.Layout),
		sync:        C.uint32_t(options.Sync),
		flags: flag(options.Mixed, C.PXDS_STORE_MIXED) | flag(options.Bare, C.PXDS_STORE_BARE) |
			flag(options.NoAtimeProbe, C.PXDS_STORE_NO_ATIME_PROBE) |
			flag(options.Shared, C.PXDS_STORE_SHARED) | flag(options.ReadOnly, C.PXDS_STORE_READ_ONLY) |
			flag(options.S3Cache, C.PXDS_STORE_S3_CACHE) | flag(options.NotS3Cache, C.PXDS_STORE_NOT_S3_CACHE) |
			flag(options.Owner != nil, C.PXDS_STORE_SET_OWNER),
		store_name:   c.text(options.StoreName),
		lock_dir:     c.text(options.LockDir),
		lock_wait_ms: C.uint64_t((options.LockWait + time.Millisecond - 1) / time.Millisecond),
		progress:     C.pxds_progress_fn(C.pxds_go_wait),
		notice:       C.pxds_notice_fn(C.pxds_go_notice),
	}
	if options.Owner != nil {
		o.owner_uid, o.owner_gid = C.uint32_t(options.Owner.UID), C.uint32_t(options.Owner.GID)
	}
	return o
}

// begin starts a call on the store.
func (s *Store) begin(ctx context.Context) (*call, *C.pxds_store) {
	c := &call{ctx: ctx, notice: s.notice}
	return c, use(c, &s.handle)
}

// Close ends the use of the store. Snapshots, files and backups that came of it go on. The error is always nil.
func (s *Store) Close() error {
	s.handle.close()
	return nil
}

// Path is the store's directory, from the root; "" after Close.
func (s *Store) Path() string {
	store, err := s.handle.acquire()
	if err != nil {
		return ""
	}
	defer s.handle.release()
	return C.GoString(C.pxds_store_path(store))
}

// Layout is how the store names its chunk directories; LayoutDefault for a store without chunks, and after Close.
func (s *Store) Layout() Layout {
	store, err := s.handle.acquire()
	if err != nil {
		return LayoutDefault
	}
	defer s.handle.release()
	return Layout(C.pxds_store_layout(store))
}

// Sync brings the file system of the store to the disk.
func (s *Store) Sync() error {
	c, store := s.begin(nil)
	return c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_store_sync(store, err) })
}

// simple makes a call of a store and one name, of a group, snapshot or namespace.
func (s *Store) simple(ctx context.Context, name string,
	f func(*C.pxds_store, *C.char, **C.pxds_error) C.pxds_status) error {
	c, store := s.begin(ctx)
	name_ := c.name(name)
	return c.run(func(err **C.pxds_error) C.pxds_status { return f(store, name_, err) })
}

// set makes a call of a store, a name and a text; "" is NULL.
func (s *Store) set(ctx context.Context, name, text string,
	f func(*C.pxds_store, *C.char, *C.char, **C.pxds_error) C.pxds_status) error {
	c, store := s.begin(ctx)
	name_, text_ := c.name(name), c.text(text)
	return c.run(func(err **C.pxds_error) C.pxds_status { return f(store, name_, text_, err) })
}

// get makes a call of a store and a name that gives a text.
func (s *Store) get(name string,
	f func(*C.pxds_store, *C.char, **C.pxds_buffer, **C.pxds_error) C.pxds_status) (string, error) {
	c, store := s.begin(nil)
	name_ := c.name(name)
	var out *C.pxds_buffer
	err := c.run(func(err **C.pxds_error) C.pxds_status { return f(store, name_, &out, err) })
	return string(takeBuffer(out)), err
}
