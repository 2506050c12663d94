package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"time"
)

// StatsOptions say how statistics are collected.
type StatsOptions struct {
	Exact    bool           // look at the files of chunks too
	Progress func(Progress) // in phases StatsFind, StatsChunks and StatsIndexes
}

// Phases of Progress in Stats.
const (
	StatsFind    = C.PXDS_STATS_PHASE_FIND
	StatsChunks  = C.PXDS_STATS_PHASE_CHUNKS
	StatsIndexes = C.PXDS_STATS_PHASE_INDEXES
)

// Described are sums over indexes and blobs, whatever chunks they share.
type Described struct {
	Indexes, LogicalBytes, References uint64
	Blobs, BlobBytes                  uint64
	Unreadable                        uint64 // indexes and directories
}

// Sum is a set of chunks, each counted once. With StatsOptions.Exact the last three are set.
type Sum struct {
	Chunks, Bytes                            uint64
	StoredBytes, MissingChunks, MissingBytes uint64
}

// GroupStats are the numbers of a group.
type GroupStats struct {
	Path           string
	Snapshots      uint64
	Oldest, Newest time.Time
	Described      Described
	Used           Sum
	Own            Sum // that nothing outside of the group has
}

// SnapshotStats are the numbers of a snapshot.
type SnapshotStats struct {
	Path      string
	Group     int // its number in Stats.Groups
	Time      time.Time
	Described Described
	Used      Sum
	Own       Sum // that nothing else has
	New       Sum // that no older snapshot has
}

// Stats say what the snapshots of a store describe, how much of it they share, and what it takes.
type Stats struct {
	Described    Described
	Others       Described // by indexes in no snapshot
	Used         Sum
	Shared       Sum // by more than one snapshot
	AcrossGroups Sum
	// Of chunks, in classes of sizes: how many, and their bytes.
	Sizes, SizeBytes []uint64
	// With StatsOptions.Exact: what no index names, and what is no chunk.
	UnreferencedChunks, UnreferencedBytes, BrokenFiles, BrokenBytes uint64

	Groups    []GroupStats
	Snapshots []SnapshotStats
}

// DedupFactor is how often the data of the snapshots would fill what it takes on the disk, by their bytes.
func DedupFactor(logical, stored uint64) float64 {
	return float64(C.pxds_dedup_factor(C.uint64_t(logical), C.uint64_t(stored)))
}

// Stats counts. What could not be seen is ErrIncomplete, beside the numbers.
func (s *Store) Stats(ctx context.Context, options StatsOptions) (*Stats, error) {
	c, store := s.begin(ctx)
	c.progress = options.Progress
	o := C.pxds_stats_options{struct_size: C.sizeof_pxds_stats_options,
		flags: flag(options.Exact, C.PXDS_STATS_EXACT), progress: C.pxds_progress_fn(C.pxds_go_progress)}
	var out *C.pxds_stats
	total := C.pxds_stats_total{struct_size: C.sizeof_pxds_stats_total}
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		if status := C.pxds_stats_collect(store, &o, &out, err); status < 0 {
			return status
		}
		return C.pxds_stats_get_total(out, &total, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.pxds_stats_free(out)
	stats := &Stats{
		Described: described(&total.described), Others: described(&total.others), Used: sum(&total.used),
		Shared: sum(&total.shared), AcrossGroups: sum(&total.across_groups),
		UnreferencedChunks: uint64(total.unreferenced_chunks), UnreferencedBytes: uint64(total.unreferenced_bytes),
		BrokenFiles: uint64(total.broken_files), BrokenBytes: uint64(total.broken_bytes),
	}
	for i := range total.sizes {
		stats.Sizes = append(stats.Sizes, uint64(total.sizes[i]))
		stats.SizeBytes = append(stats.SizeBytes, uint64(total.size_bytes[i]))
	}
	if err := stats.list(out); err != nil {
		return nil, err
	}
	if total.flags&C.PXDS_RESULT_INCOMPLETE != 0 {
		err = ErrIncomplete
	}
	return stats, err
}

// list takes the groups and snapshots out.
func (stats *Stats) list(out *C.pxds_stats) error {
	stats.Groups = make([]GroupStats, C.pxds_stats_group_count(out))
	for i := range stats.Groups {
		g := C.pxds_stats_group{struct_size: C.sizeof_pxds_stats_group}
		if err := now(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_stats_get_group(out, C.size_t(i), &g, err)
		}); err != nil {
			return err
		}
		stats.Groups[i] = GroupStats{C.GoString(g.path), uint64(g.snapshots), unixTime(g.oldest), unixTime(g.newest),
			described(&g.described), sum(&g.used), sum(&g.own)}
	}
	stats.Snapshots = make([]SnapshotStats, C.pxds_stats_snapshot_count(out))
	for i := range stats.Snapshots {
		n := C.pxds_stats_snapshot{struct_size: C.sizeof_pxds_stats_snapshot}
		if err := now(func(err **C.pxds_error) C.pxds_status {
			return C.pxds_stats_get_snapshot(out, C.size_t(i), &n, err)
		}); err != nil {
			return err
		}
		stats.Snapshots[i] = SnapshotStats{C.GoString(n.path), int(n.group), unixTime(n.time),
			described(&n.described), sum(&n.used), sum(&n.own), sum(&n.new_data)}
	}
	return nil
}

func described(d *C.pxds_stats_described) Described {
	return Described{uint64(d.indexes), uint64(d.logical_bytes), uint64(d.references), uint64(d.blobs),
		uint64(d.blob_bytes), uint64(d.unreadable)}
}

func sum(s *C.pxds_stats_sum) Sum {
	return Sum{uint64(s.chunks), uint64(s.bytes), uint64(s.stored_bytes), uint64(s.missing_chunks),
		uint64(s.missing_bytes)}
}
