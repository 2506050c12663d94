//! The rules of the protocol, each a switch. The numbers are those of docs/shared.md.

/// The model as it is has found no schedule that loses something without this rule. docs/shared.md has its reasons.
pub(crate) const UNKNOWN: u64 = u64::MAX;

macro_rules! rules {
    ($($(#[doc = $text:literal])* $name:ident = $seed:expr,)*) => {
        /// A rule, and what is done by who leaves it out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule { $($(#[doc = $text])* $name,)* }

        /// All of them, each with the seed of a schedule that loses something without it, or `UNKNOWN`.
        pub(crate) const RULES: &[(Rule, u64)] = &[$((Rule::$name, $seed),)*];
    };
}

rules! {
    /// Without: dates are those of the machine's own clock, wrong by as much as the server lets pass.
    ServerDates = 1909,
    /// Without: a request is dated when it is sent, after the look at the lease or lock that it depends on.
    DateBeforeLook = 4282,
    /// Without: lists are read first, then the lease is put.
    LeaseBeforeLists = 346,
    /// Without: a manifest is sent as long as the lease has not ended.
    LeaseMargin = 72990,
    /// Without: a lease that may have ended is renewed as if it had not.
    LostLease = 25,
    /// Without: a chunk that is condemned is used like any other.
    Condemned = 27,
    /// Without: a chunk of the base is used without a look whether it is condemned.
    ReusedIsLookedUp = 27,
    /// Without: no rescue is put, only the look for the sweep is done.
    Rescue = 145,
    /// Without: a rescue is believed without a look for the sweep.
    LookForSweep = 110,
    /// Without: the look for the sweep comes before the rescue.
    RescueBeforeLook = 198,
    /// Without: a chunk whose list is being swept is put at once.
    WaitForDone = 27,
    /// Without: a chunk is put as soon as its list is done.
    Settle = 286,
    /// Without: chunks of the base are believed because its snapshot is in the bucket.
    MarkersForBase = 235,
    /// Without: finished lists are not applied to the markers.
    ApplyLists = 9,
    /// Without: a machine that has missed lists keeps its markers.
    GapDropsAll = 2308,
    /// Without: a marker is made whatever lists have been applied meanwhile.
    MarkerGeneration = 3172,
    /// Without: a listing of chunks makes markers of those too whose list is not settled.
    ListedUnlessHot = UNKNOWN,
    /// Without: markers are believed though a list behind a gap of unfinished ones names them.
    Doubt = UNKNOWN,
    /// Without: no look for new lists of bad chunks before the manifest.
    LookForBad = 81,
    /// Without: a lease is taken back though the manifest may be on its way.
    KeepLease = 10042,
    /// Without: a snapshot is removed while its manifest may arrive a second time.
    YoungStays = 24086,
    /// Without: a manifest is replaced whatever is there.
    IfMatch = 262,
    /// Without: a collector does not look at its lock before it changes something.
    LookAtLock = 723,
    /// Without: a collector sends requests as long as its lock has not ended.
    LockMargin = UNKNOWN,
    /// Without: who has put a lock does not look whether a higher one is there.
    HighestLock = UNKNOWN,
    /// Without: a lock is taken over though it has not ended.
    LockLives = 21,
    /// Without: the leases are read first, then the list is put.
    ListBeforeFence = 2201,
    /// Without: writers are not waited for.
    Fence = 14,
    /// Without: rescues are read first, then the sweep is told.
    SweepBeforeRescues = 3165,
    /// Without: no second look at the snapshots.
    SecondLook = 14,
    /// Without: the second look is done before the writers have ended.
    SecondLookAfterFence = 184,
    /// Without: a finished list stands for what the last collector has deleted.
    WholeList = 3181,
    /// Without: bad chunks are removed as soon as the list has them.
    BadWaits = 27,
    /// Without: a bad chunk is removed without another look at it.
    JudgeAgain = 217,
    /// Without: bad chunks are removed without the lock and a list.
    BadByList = 1,
    /// Without: old lists go though a writer is at work that has begun before they were done.
    ListsOutliveWriters = UNKNOWN,
    /// Without: of an old list, the mark that it is done goes first.
    ListGoesFirst = 27763,
    /// Without: the newest list goes too, and numbers begin anew.
    NewestStays = 581,
}
