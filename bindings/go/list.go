package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// BackupType is what a group is a backup of.
type BackupType uint32

// Types of backups.
const (
	VM        BackupType = C.PXDS_TYPE_VM
	Container BackupType = C.PXDS_TYPE_CT
	Host      BackupType = C.PXDS_TYPE_HOST
)

// String gives "vm", "ct" or "host".
func (t BackupType) String() string {
	return C.GoString(C.pxds_backup_type_name(C.uint32_t(t)))
}

// VerifyState is how the last verification of a snapshot came out.
type VerifyState uint32

// Outcomes of the last verification.
const (
	NotVerified  VerifyState = C.PXDS_VERIFIED_NONE
	VerifiedOK   VerifyState = C.PXDS_VERIFIED_OK
	VerifyFailed VerifyState = C.PXDS_VERIFIED_FAILED
)

// CryptMode is whether data is encrypted, and manifests signed.
type CryptMode uint32

// Modes of encryption.
const (
	CryptDefault  CryptMode = C.PXDS_CRYPT_DEFAULT // with a key CryptEncrypt; of a list: files differ, or there are none
	CryptNone     CryptMode = C.PXDS_CRYPT_NONE
	CryptEncrypt  CryptMode = C.PXDS_CRYPT_ENCRYPT
	CryptSignOnly CryptMode = C.PXDS_CRYPT_SIGN_ONLY
)

// ListOptions say what is listed. Without Recursive that is what is right in Namespace, "a/b", or "" for the root.
type ListOptions struct {
	Namespace string
	Recursive bool
	Owners    bool // with the owner of each snapshot's group
	Manifests bool // with what manifests say: notes, sizes, verification, encryption
}

func (o *ListOptions) flags() C.uint32_t {
	return flag(o.Recursive, C.PXDS_LIST_RECURSIVE) | flag(o.Owners, C.PXDS_LIST_OWNERS) |
		flag(o.Manifests, C.PXDS_LIST_MANIFESTS)
}

// Group is a group in a list.
type Group struct {
	Path      string // what methods on groups take
	Namespace string
	Type      BackupType
	ID        string
}

// SnapshotInfo is a snapshot in a list.
type SnapshotInfo struct {
	Path       string // what methods on snapshots take
	Namespace  string
	Type       BackupType
	ID         string
	Time       time.Time
	Protected  bool
	Finished   bool
	Unreadable bool // it has a manifest that cannot be read

	Owner string // with ListOptions.Owners

	// With ListOptions.Manifests.
	Notes      string
	Size       uint64 // bytes of what its files hold
	FileCount  int
	Verified   VerifyState
	VerifyTime time.Time // when that began; zero for none
	Crypt      CryptMode
}

// FileInfo is a file of a snapshot.
type FileInfo struct {
	Name      string
	Size      uint64 // of the file in the store
	PlainSize uint64 // of what an index describes
}

// Namespaces lists namespaces. What could not be seen is ErrIncomplete, beside the others.
func (s *Store) Namespaces(ctx context.Context, options ListOptions) ([]string, error) {
	c, store := s.begin(ctx)
	ns := c.text(options.Namespace)
	var list *C.pxds_namespace_list
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_store_namespaces(store, ns, options.flags(), &list, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.pxds_namespace_list_free(list)
	names := make([]string, C.pxds_namespace_list_count(list))
	for i := range names {
		names[i] = C.GoString(C.pxds_namespace_list_get(list, C.size_t(i)))
	}
	return names, complete(C.pxds_namespace_list_is_complete(list))
}

// Groups lists groups. What could not be seen is ErrIncomplete, beside the others.
func (s *Store) Groups(ctx context.Context, options ListOptions) ([]Group, error) {
	c, store := s.begin(ctx)
	ns := c.text(options.Namespace)
	var list *C.pxds_group_list
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_store_groups(store, ns, options.flags(), &list, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.pxds_group_list_free(list)
	groups := make([]Group, C.pxds_group_list_count(list))
	for i := range groups {
		e := C.pxds_group_entry{struct_size: C.sizeof_pxds_group_entry}
		if err := now(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_group_list_get(list, C.size_t(i), &e, err)
		}); err != nil {
			return nil, err
		}
		groups[i] = Group{C.GoString(e.path), C.GoString(e.ns), BackupType(e._type), C.GoString(e.id)}
	}
	return groups, complete(C.pxds_group_list_is_complete(list))
}

// Snapshots lists the snapshots of all groups, and looks at the context between them. What could not be seen is
// ErrIncomplete, beside the others.
func (s *Store) Snapshots(ctx context.Context, options ListOptions) ([]SnapshotInfo, error) {
	groups, unseen := s.Groups(ctx, ListOptions{Namespace: options.Namespace, Recursive: options.Recursive})
	if unseen != nil && unseen != ErrIncomplete {
		return nil, unseen
	}
	snapshots := []SnapshotInfo{}
	for _, group := range groups {
		list, err := s.GroupSnapshots(ctx, group.Path, options)
		if errors.Is(err, ErrIO) || errors.Is(err, ErrFormat) {
			if s.notice != nil {
				s.notice(Notice{true, err.Error(), filepath.Join(s.Path(), group.Path)})
			}
			err = ErrIncomplete
		}
		if err == ErrIncomplete {
			unseen = err
		} else if err != nil {
			return nil, err
		}
		snapshots = append(snapshots, list...)
	}
	return snapshots, unseen
}

// GroupSnapshots lists the snapshots of one group, none if it is not there. Of the options Owners and Manifests count.
func (s *Store) GroupSnapshots(ctx context.Context, group string, options ListOptions) ([]SnapshotInfo, error) {
	c, store := s.begin(ctx)
	name := c.name(group)
	options.Recursive = false
	return listSnapshots(c, func(out **C.pxds_snapshot_list, err **C.pxds_error) C.pxds_status {
		return C.pxds_group_snapshots(store, name, options.flags(), out, err)
	})
}

func listSnapshots(c *call, f func(**C.pxds_snapshot_list, **C.pxds_error) C.pxds_status) ([]SnapshotInfo, error) {
	var list *C.pxds_snapshot_list
	err := c.run(func(err **C.pxds_error) C.pxds_status { return f(&list, err) })
	if err != nil {
		return nil, err
	}
	defer C.pxds_snapshot_list_free(list)
	snapshots := make([]SnapshotInfo, C.pxds_snapshot_list_count(list))
	for i := range snapshots {
		e := C.pxds_snapshot_entry{struct_size: C.sizeof_pxds_snapshot_entry}
		if err := now(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_snapshot_list_get(list, C.size_t(i), &e, err)
		}); err != nil {
			return nil, err
		}
		snapshots[i] = snapshotInfo(&e)
	}
	return snapshots, complete(C.pxds_snapshot_list_is_complete(list))
}

func snapshotInfo(e *C.pxds_snapshot_entry) SnapshotInfo {
	info := SnapshotInfo{
		Path: C.GoString(e.path), Namespace: C.GoString(e.ns), Type: BackupType(e._type), ID: C.GoString(e.id),
		Time:       unixTime(e.time),
		Protected:  e.flags&C.PXDS_SNAPSHOT_PROTECTED != 0,
		Finished:   e.flags&C.PXDS_SNAPSHOT_FINISHED != 0,
		Unreadable: e.flags&C.PXDS_SNAPSHOT_UNREADABLE != 0,
		Owner:      C.GoString(e.owner), Notes: C.GoString(e.notes), Size: uint64(e.size), FileCount: int(e.file_count),
		Verified: VerifyState(e.verify_state), Crypt: CryptMode(e.crypt_mode),
	}
	if e.verify_time != 0 {
		info.VerifyTime = unixTime(e.verify_time)
	}
	return info
}

// Files lists the archives of a snapshot, and its manifest, index.json.blob.
func (s *Store) Files(ctx context.Context, snapshot string) ([]FileInfo, error) {
	c, store := s.begin(ctx)
	name := c.name(snapshot)
	var list *C.pxds_file_list
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_files(store, name, &list, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.pxds_file_list_free(list)
	files := make([]FileInfo, C.pxds_file_list_count(list))
	for i := range files {
		e := C.pxds_file_entry{struct_size: C.sizeof_pxds_file_entry}
		if err := now(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_file_list_get(list, C.size_t(i), &e, err)
		}); err != nil {
			return nil, err
		}
		files[i] = FileInfo{C.GoString(e.name), uint64(e.size), uint64(e.plain_size)}
	}
	return files, nil
}

// complete is the error of a list that is not.
func complete(is C.int32_t) error {
	if is == 0 {
		return ErrIncomplete
	}
	return nil
}
