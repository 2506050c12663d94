package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"time"
)

// PruneOptions say which snapshots are kept. If all counts are 0 everything is. They are applied in this order; each
// keeps the newest snapshots of so many periods in which no earlier one keeps a snapshot already.
type PruneOptions struct {
	KeepLast, KeepHourly, KeepDaily, KeepWeekly, KeepMonthly, KeepYearly uint64

	// Besides, whatever keeps them too: the newest so many whose last verification went well, and those that are
	// younger than KeepWithin.
	KeepGood   uint64
	KeepWithin time.Duration

	// Zone is where hours, days and so on begin: "Europe/Vienna", a rule of POSIX, or the path of a TZif file; "" is
	// UTC. The environment is not looked at.
	Zone string

	DryRun   bool // nothing is removed
	Progress func(Progress)
}

// Mark is what Prune decides for a snapshot.
type Mark uint32

// Decisions of Prune.
const (
	MarkKeep        Mark = C.PXDS_MARK_KEEP
	MarkKeepPartial Mark = C.PXDS_MARK_KEEP_PARTIAL // it is not finished, and may still be
	MarkProtected   Mark = C.PXDS_MARK_PROTECTED
	MarkRemove      Mark = C.PXDS_MARK_REMOVE
)

// String gives "keep", "remove" and the like.
func (m Mark) String() string {
	return C.GoString(C.pxds_prune_mark_name(C.uint32_t(m)))
}

// KeptBy is a set of the rules that keep a snapshot.
type KeptBy uint32

// Rules of PruneOptions; KeptByNewest: it is the newest, and no rule keeps another.
const (
	KeptByLast    KeptBy = C.PXDS_KEPT_BY_LAST
	KeptByHourly  KeptBy = C.PXDS_KEPT_BY_HOURLY
	KeptByDaily   KeptBy = C.PXDS_KEPT_BY_DAILY
	KeptByWeekly  KeptBy = C.PXDS_KEPT_BY_WEEKLY
	KeptByMonthly KeptBy = C.PXDS_KEPT_BY_MONTHLY
	KeptByYearly  KeptBy = C.PXDS_KEPT_BY_YEARLY
	KeptByGood    KeptBy = C.PXDS_KEPT_BY_GOOD
	KeptByWithin  KeptBy = C.PXDS_KEPT_BY_WITHIN
	KeptByNewest  KeptBy = C.PXDS_KEPT_BY_NEWEST
)

// PruneResult is what Prune has decided for a snapshot, and done.
type PruneResult struct {
	Path   string
	Time   time.Time
	Mark   Mark
	KeptBy KeptBy // with MarkKeep; 0 if everything is kept
	Err    error  // why removing it failed; ErrNotFound if another process was faster
}

// Prune removes the snapshots of a group that the options do not keep, the oldest first, and tells of all that were
// there, from the newest on. What could not be seen stays, and is ErrIncomplete, beside the others. The chunks stay for
// GC.
func (s *Store) Prune(ctx context.Context, group string, options PruneOptions) ([]PruneResult, error) {
	c, store := s.begin(ctx)
	c.progress = options.Progress
	name := c.name(group)
	if options.KeepWithin < 0 {
		c.refuse(argument("negative KeepWithin"))
	}
	o := C.pxds_prune_options{
		struct_size:  C.sizeof_pxds_prune_options,
		flags:        flag(options.DryRun, C.PXDS_PRUNE_DRY_RUN),
		keep_last:    C.uint64_t(options.KeepLast),
		keep_hourly:  C.uint64_t(options.KeepHourly),
		keep_daily:   C.uint64_t(options.KeepDaily),
		keep_weekly:  C.uint64_t(options.KeepWeekly),
		keep_monthly: C.uint64_t(options.KeepMonthly),
		keep_yearly:  C.uint64_t(options.KeepYearly),
		keep_good:    C.uint64_t(options.KeepGood),
		keep_within:  C.uint64_t((options.KeepWithin + time.Second - 1) / time.Second),
		zone:         c.text(options.Zone),
		progress:     C.pxds_progress_fn(C.pxds_go_progress),
	}
	var list *C.pxds_prune_list
	err := c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_group_prune(store, name, &o, &list, err) })
	if err != nil {
		return nil, err
	}
	defer C.pxds_prune_list_free(list)
	results := make([]PruneResult, C.pxds_prune_list_count(list))
	for i := range results {
		e := C.pxds_prune_entry{struct_size: C.sizeof_pxds_prune_entry}
		if err := now(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_prune_list_get(list, C.size_t(i), &e, err)
		}); err != nil {
			return nil, err
		}
		results[i] = PruneResult{Path: C.GoString(e.path), Time: unixTime(e.time), Mark: Mark(e.mark),
			KeptBy: KeptBy(e.kept_by)}
		if e.status == C.PXDS_NONE {
			results[i].Err = ErrNotFound
		} else if e.status < 0 {
			results[i].Err = &Error{Status: Status(e.status), Message: C.GoString(e.message), Offset: -1}
		}
	}
	return results, complete(C.pxds_prune_list_is_complete(list))
}

// GCOptions say how garbage is collected.
type GCOptions struct {
	DryRun       bool          // nothing is removed
	Cutoff       time.Duration // without a touch, after which a chunk may go; 0: a day and five minutes
	Remembered   uint64        // digests, so as not to be touched again; 0: 1048576
	AnyCsum      bool          // take an index whose entries have not the checksum in its header
	NoAtimeProbe bool          // do not try out whether the file system keeps access times
	NoCache      bool          // remember no digests

	Progress func(Progress) // in phases GCMark and GCSweep
}

// Phases of Progress in GC.
const (
	GCMark  = C.PXDS_GC_PHASE_MARK  // indexes
	GCSweep = C.PXDS_GC_PHASE_SWEEP // directories of chunks
)

// GCStatus says what a garbage collection has found and done.
type GCStatus struct {
	IndexFiles, IndexBytes        uint64 // indexes, and what they describe
	StoredBytes, StoredChunks     uint64 // chunks in use; here and below bytes have those of bad copies too
	RemovedBytes, RemovedChunks   uint64
	PendingBytes, PendingChunks   uint64 // not in use, and touched too lately
	UsedBad, UsedBadBytes         uint64 // bad copies
	RemovedBad, RemovedBadBytes   uint64
	StillBad, StillBadBytes       uint64
	CacheHits, CacheMisses        uint64
	StrangeIndexes                uint64 // that lie where no snapshot is, and count
	MissingChunks                 uint64
	RemovedTemporaries, TempBytes uint64
	FutureFiles, FutureBytes      uint64 // pending, with an access time in the future
	FutureUntil                   time.Time
}

func gcStatus(s *C.pxds_gc_status) GCStatus {
	status := GCStatus{
		IndexFiles: uint64(s.index_file_count), IndexBytes: uint64(s.index_data_bytes),
		StoredBytes: uint64(s.stored_bytes), StoredChunks: uint64(s.stored_chunks),
		RemovedBytes: uint64(s.removed_bytes), RemovedChunks: uint64(s.removed_chunks),
		PendingBytes: uint64(s.pending_bytes), PendingChunks: uint64(s.pending_chunks),
		UsedBad: uint64(s.used_bad), UsedBadBytes: uint64(s.used_bad_bytes),
		RemovedBad: uint64(s.removed_bad), RemovedBadBytes: uint64(s.removed_bad_bytes),
		StillBad: uint64(s.still_bad), StillBadBytes: uint64(s.still_bad_bytes),
		CacheHits: uint64(s.cache_hits), CacheMisses: uint64(s.cache_misses),
		StrangeIndexes: uint64(s.strange_indexes), MissingChunks: uint64(s.missing_chunks),
		RemovedTemporaries: uint64(s.removed_temporaries), TempBytes: uint64(s.removed_temporary_bytes),
		FutureFiles: uint64(s.future_files), FutureBytes: uint64(s.future_bytes),
	}
	if s.future_until != 0 {
		status.FutureUntil = unixTime(s.future_until)
	}
	return status
}

// GC collects garbage: it removes the chunks that no index below the store's directory refers to, and that have not
// been touched lately.
func (s *Store) GC(ctx context.Context, options GCOptions) (GCStatus, error) {
	c, store := s.begin(ctx)
	c.progress = options.Progress
	o := C.pxds_gc_options{
		struct_size: C.sizeof_pxds_gc_options,
		flags: flag(options.DryRun, C.PXDS_GC_DRY_RUN) | flag(options.NoAtimeProbe, C.PXDS_GC_NO_ATIME_PROBE) |
			flag(options.AnyCsum, C.PXDS_GC_ANY_CSUM) | flag(options.NoCache, C.PXDS_GC_NO_CACHE),
		cutoff_minutes: C.uint32_t((options.Cutoff + time.Minute - 1) / time.Minute),
		remembered:     C.uint64_t(options.Remembered),
		progress:       C.pxds_progress_fn(C.pxds_go_progress),
	}
	status := C.pxds_gc_status{struct_size: C.sizeof_pxds_gc_status}
	err := c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_store_gc(store, &o, &status, err) })
	return gcStatus(&status), err
}

// LastGC gives what the last garbage collection has noted, of this library or of Proxmox Backup Server; false if there
// is no note.
func (s *Store) LastGC() (GCStatus, bool, error) {
	c, store := s.begin(nil)
	status := C.pxds_gc_status{struct_size: C.sizeof_pxds_gc_status}
	found := false
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		result := C.pxds_store_get_gc_status(store, &status, err)
		found = result == C.PXDS_OK
		return result
	})
	return gcStatus(&status), found, err
}

// ConvertOptions say how a store changes its layout.
type ConvertOptions struct {
	DryRun   bool           // nothing is changed
	Progress func(Progress) // in phases ConvertLook to ConvertRemove
}

// Phases of Progress in Convert.
const (
	ConvertLook   = C.PXDS_CONVERT_PHASE_LOOK
	ConvertMake   = C.PXDS_CONVERT_PHASE_MAKE
	ConvertMove   = C.PXDS_CONVERT_PHASE_MOVE
	ConvertRemove = C.PXDS_CONVERT_PHASE_REMOVE
)

// ConvertResult says what Convert has done.
type ConvertResult struct {
	Files, Made, Removed uint64 // files moved; directories made and removed
	SetAside             uint64 // files that got the name of a bad chunk, since one of their name was there
}

// Convert brings the store at path into another layout, in place, by renames. It may be broken off and taken up again.
// Of the store's options the layout does not matter.
func Convert(ctx context.Context, path string, layout Layout, store Options, options ConvertOptions) (ConvertResult,
	error) {
	if err := checkLibrary(); err != nil {
		return ConvertResult{}, err
	}
	c := &call{ctx: ctx, notice: store.Notice, progress: options.Progress}
	opening := store.c(c)
	path_ := c.name(path)
	o := C.pxds_convert_options{struct_size: C.sizeof_pxds_convert_options,
		flags: flag(options.DryRun, C.PXDS_CONVERT_DRY_RUN), progress: C.pxds_progress_fn(C.pxds_go_progress)}
	result := C.pxds_convert_result{struct_size: C.sizeof_pxds_convert_result}
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_store_convert(path_, C.uint32_t(layout), &opening, &o, &result, err)
	})
	return ConvertResult{uint64(result.files), uint64(result.made), uint64(result.removed),
		uint64(result.set_aside)}, err
}
