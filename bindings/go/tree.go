package pxds

/*
#include "bridge.h"
*/
import "C"

import "context"

// CreateNamespace makes the namespace ns, "a/b", and those above it, if they are not there. Backups do so too.
func (s *Store) CreateNamespace(ctx context.Context, ns string) error {
	return s.simple(ctx, ns, func(store *C.pxds_store, ns *C.char, err **C.pxds_error) C.pxds_status {
		return C.pxds_namespace_create(store, ns, err)
	})
}

// RemoveNamespace removes a namespace that is empty; otherwise that is ErrExists.
func (s *Store) RemoveNamespace(ctx context.Context, ns string) error {
	return s.simple(ctx, ns, func(store *C.pxds_store, ns *C.char, err **C.pxds_error) C.pxds_status {
		return C.pxds_namespace_remove(store, ns, err)
	})
}

// LastSnapshot gives the path of the newest finished snapshot of a group, or "" if there is none.
func (s *Store) LastSnapshot(group string) (string, error) {
	return s.get(group, func(store *C.pxds_store, group *C.char, out **C.pxds_buffer,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_group_last(store, group, out, err)
	})
}

// GroupOwner gives the owner of a group, "user@realm", or "" if no file names one.
func (s *Store) GroupOwner(group string) (string, error) {
	return s.get(group, func(store *C.pxds_store, group *C.char, out **C.pxds_buffer,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_group_get_owner(store, group, out, err)
	})
}

// SetGroupOwner gives a group to another owner, "user@realm" or "user@realm!token".
func (s *Store) SetGroupOwner(ctx context.Context, group, owner string) error {
	return s.set(ctx, group, owner, func(store *C.pxds_store, group, owner *C.char,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_group_set_owner(store, group, owner, err)
	})
}

// GroupNotes gives the notes of a group, or "" if it has none.
func (s *Store) GroupNotes(group string) (string, error) {
	return s.get(group, func(store *C.pxds_store, group *C.char, out **C.pxds_buffer,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_group_get_notes(store, group, out, err)
	})
}

// SetGroupNotes replaces the notes of a group; "" removes them.
func (s *Store) SetGroupNotes(ctx context.Context, group, notes string) error {
	return s.set(ctx, group, notes, func(store *C.pxds_store, group, notes *C.char,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_group_set_notes(store, group, notes, err)
	})
}

// RemoveGroupOptions say how a group is removed.
type RemoveGroupOptions struct {
	DryRun   bool           // nothing is removed, and no lock is taken
	Progress func(Progress) // of snapshots
}

// RemovedGroup says what RemoveGroup has done, or would do, after a failure too.
type RemovedGroup struct {
	Removed   uint64 // snapshots
	Protected uint64 // snapshots that stay
}

// RemoveGroup removes a group with its snapshots. If protected ones stay, and the group with them, that is
// ErrProtected. The chunks stay for GC.
func (s *Store) RemoveGroup(ctx context.Context, group string, options RemoveGroupOptions) (RemovedGroup, error) {
	c, store := s.begin(ctx)
	c.progress = options.Progress
	name := c.name(group)
	o := C.pxds_destroy_options{struct_size: C.sizeof_pxds_destroy_options,
		flags:    flag(options.DryRun, C.PXDS_DESTROY_DRY_RUN),
		progress: C.pxds_progress_fn(C.pxds_go_progress)}
	result := C.pxds_destroy_result{struct_size: C.sizeof_pxds_destroy_result}
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_group_destroy(store, name, &o, &result, err)
	})
	return RemovedGroup{uint64(result.removed), uint64(result.protected_count)}, err
}

// SnapshotInfo says what there is to say of a snapshot without reading its manifest.
func (s *Store) SnapshotInfo(snapshot string) (SnapshotInfo, error) {
	c, store := s.begin(nil)
	name := c.name(snapshot)
	e := C.pxds_snapshot_entry{struct_size: C.sizeof_pxds_snapshot_entry}
	n := C.pxds_snapshot_name{struct_size: C.sizeof_pxds_snapshot_name}
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		if status := C.pxds_snapshot_parse(name, &n, err); status < 0 {
			return status
		}
		return C.pxds_snapshot_get_info(store, name, &e, err)
	})
	if err != nil {
		return SnapshotInfo{}, err
	}
	info := snapshotInfo(&e)
	info.Path, info.Namespace, info.ID = snapshot, C.GoString(&n.ns[0]), C.GoString(&n.id[0])
	info.Type, info.Time = BackupType(n._type), unixTime(n.time)
	return info, nil
}

// Protect protects a snapshot from being removed, by whatever program.
func (s *Store) Protect(ctx context.Context, snapshot string) error {
	return s.simple(ctx, snapshot, func(store *C.pxds_store, name *C.char, err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_protect(store, name, err)
	})
}

// Unprotect undoes Protect.
func (s *Store) Unprotect(ctx context.Context, snapshot string) error {
	return s.simple(ctx, snapshot, func(store *C.pxds_store, name *C.char, err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_unprotect(store, name, err)
	})
}

// RemoveSnapshot removes a snapshot, whole or not at all. The chunks stay for GC.
func (s *Store) RemoveSnapshot(ctx context.Context, snapshot string) error {
	return s.simple(ctx, snapshot, func(store *C.pxds_store, name *C.char, err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_destroy(store, name, err)
	})
}

// Notes gives the notes of a snapshot; the first line is shown as its comment.
func (s *Store) Notes(snapshot string) (string, error) {
	return s.get(snapshot, func(store *C.pxds_store, name *C.char, out **C.pxds_buffer,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_get_notes(store, name, out, err)
	})
}

// SetNotes replaces the notes of a snapshot; "" removes them.
func (s *Store) SetNotes(ctx context.Context, snapshot, notes string) error {
	return s.set(ctx, snapshot, notes, func(store *C.pxds_store, name, notes *C.char,
		err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_set_notes(store, name, notes, err)
	})
}

// SetUnprotected sets a member of the part of a snapshot's manifest that no signature covers to a JSON value; ""
// removes it.
func (s *Store) SetUnprotected(ctx context.Context, snapshot, member, json string) error {
	c, store := s.begin(ctx)
	name, member_, json_ := c.name(snapshot), c.name(member), c.text(json)
	return c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_snapshot_set_unprotected(store, name, member_, json_, err)
	})
}
