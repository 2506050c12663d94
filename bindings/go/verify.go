package pxds

/*
#include "bridge.h"
*/
import "C"

import "context"

// VerifyOptions say how a verification works.
type VerifyOptions struct {
	Threads      int  // 0: one for each processor
	ReadOnly     bool // neither rename bad chunks nor note the outcome
	IndexOrder   bool // read chunks as an index lists them
	SkipVerified bool // pass over what has been verified in the last SkipDays days
	SkipDays     uint64
	Key          *Key   // checks signatures, and what is encrypted; may be nil
	Unsigned     bool   // with a key: a snapshot that is not signed is as good as one that is
	RepairFrom   *Store // another store that has chunks which are bad here; may be nil
	UPID         string // the task in the noted outcome; "": one of this process

	Damage   func(Damage) error           // is told of damage; an error stops the call
	Done     func(VerifiedSnapshot) error // is told of each snapshot; an error stops the call
	Progress func(Progress)               // in phases VerifyList and VerifyCheck
}

// Phases of Progress in Verify, which are of snapshots.
const (
	VerifyList  = C.PXDS_VERIFY_PHASE_LIST
	VerifyCheck = C.PXDS_VERIFY_PHASE_CHECK
)

// Damage is a place in a file of a snapshot.
type Damage struct {
	Snapshot, Archive string
	Status            Status // why
	Message           string

	// Of a chunk; otherwise it is the file that is damaged.
	Chunk             bool
	Offset, Length    uint64 // in what the index describes
	Digest            Digest
	Renamed, Repaired bool
}

// Outcome is how a snapshot came out.
type Outcome uint32

// Outcomes of a verification.
const (
	OutcomeOK         Outcome = C.PXDS_OUTCOME_OK
	OutcomeFailed     Outcome = C.PXDS_OUTCOME_FAILED
	OutcomeBusy       Outcome = C.PXDS_OUTCOME_BUSY       // not looked at: it is made or removed
	OutcomeGone       Outcome = C.PXDS_OUTCOME_GONE       // not looked at: it has been removed
	OutcomeRecent     Outcome = C.PXDS_OUTCOME_RECENT     // not looked at, for SkipVerified
	OutcomeUnvouched  Outcome = C.PXDS_OUTCOME_UNVOUCHED  // good so far, but the key does not vouch for it
	OutcomeUnfinished Outcome = C.PXDS_OUTCOME_UNFINISHED // not looked at: it has no manifest
	OutcomeUnreadable Outcome = C.PXDS_OUTCOME_UNREADABLE // some of it could not be read, what could be was well
)

// VerifiedSnapshot is a snapshot that has been dealt with.
type VerifiedSnapshot struct {
	Path             string
	Outcome          Outcome
	Errors, Repaired uint64 // places
	Reason           string // why the key does not vouch for it
}

// VerifyResult are sums. Everything is good if Failed and Unvouched are 0.
type VerifyResult struct {
	OK, Failed, Skipped               uint64 // snapshots
	Unvouched, Unfinished, Unnoted    uint64 // snapshots
	Chunks, Bytes, StoredBytes        uint64 // that were checked
	Bad, Missing, Unreadable, Renamed uint64 // chunks
	Repaired                          uint64
}

//export pxdsGoDamage
func pxdsGoDamage(handle C.uintptr_t, d *C.pxds_verify_damage) C.int32_t {
	return callback(handle, func(c *call) error {
		if c.damage == nil {
			return nil
		}
		return c.damage(Damage{
			C.GoString(d.snapshot), C.GoString(d.archive), Status(d.status), C.GoString(d.message),
			d.flags&C.PXDS_DAMAGE_CHUNK != 0, uint64(d.offset), uint64(d.length), digestOf(&d.digest),
			d.flags&C.PXDS_DAMAGE_RENAMED != 0, d.flags&C.PXDS_DAMAGE_REPAIRED != 0})
	})
}

//export pxdsGoDone
func pxdsGoDone(handle C.uintptr_t, d *C.pxds_verify_done) C.int32_t {
	return callback(handle, func(c *call) error {
		if c.done == nil {
			return nil
		}
		return c.done(VerifiedSnapshot{C.GoString(d.snapshot), Outcome(d.outcome), uint64(d.errors),
			uint64(d.repaired), C.GoString(d.reason)})
	})
}

// Verify checks that everything snapshots need is there, and is what it was: of the whole store, if path is "", of a
// group or of one snapshot. Damage is no error: the result counts it. What could not be seen is ErrIncomplete, beside
// the result.
func (s *Store) Verify(ctx context.Context, path string, options VerifyOptions) (VerifyResult, error) {
	c, store := s.begin(ctx)
	c.progress, c.damage, c.done = options.Progress, options.Damage, options.Done
	path_ := c.text(path)
	o := C.pxds_verify_options{
		struct_size: C.sizeof_pxds_verify_options,
		flags: flag(options.ReadOnly, C.PXDS_VERIFY_READ_ONLY) |
			flag(options.IndexOrder, C.PXDS_VERIFY_INDEX_ORDER) |
			flag(options.SkipVerified, C.PXDS_VERIFY_SKIP_VERIFIED) |
			flag(options.Unsigned, C.PXDS_VERIFY_ALLOW_UNSIGNED),
		threads:   C.uint32_t(options.Threads),
		skip_days: C.uint64_t(options.SkipDays),
		upid:      c.text(options.UPID),
		on_damage: C.pxds_verify_damage_fn(C.pxds_go_damage),
		on_done:   C.pxds_verify_done_fn(C.pxds_go_done),
		progress:  C.pxds_progress_fn(C.pxds_go_progress),
	}
	if options.Key != nil {
		o.key = use(c, &options.Key.handle)
	}
	if options.RepairFrom != nil {
		o.repair_from = use(c, &options.RepairFrom.handle)
	}
	r := C.pxds_verify_result{struct_size: C.sizeof_pxds_verify_result}
	err := c.run(func(err **C.pxds_error) C.pxds_status { return C.pxds_store_verify(store, path_, &o, &r, err) })
	if err == nil && r.flags&C.PXDS_RESULT_INCOMPLETE != 0 {
		err = ErrIncomplete
	}
	return VerifyResult{uint64(r.ok), uint64(r.failed), uint64(r.skipped), uint64(r.unvouched),
		uint64(r.unfinished), uint64(r.unnoted), uint64(r.chunks), uint64(r.bytes), uint64(r.stored_bytes),
		uint64(r.bad), uint64(r.missing), uint64(r.unreadable), uint64(r.renamed), uint64(r.repaired)}, err
}
