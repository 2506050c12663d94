//! Going through snapshots, their files, and the chunks of these.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::check::{Batch, Checker, MAX_AHEAD, Wanted, Workspace};
use super::known::BadEntry;
use super::notes::Notes;
use super::recorder::Recorder;
use super::{Damage, Done, Outcome, PHASE_CHECK, Scope, Sums, VerifyOptions, ends_all, new_upid};
use crate::base::NoticeLevel;
use crate::blob::Codec;
use crate::crew;
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result, append, insert, push, try_collect};
use crate::hash::sha256;
use crate::index::{ChunkInfo, Index};
use crate::limits::BLOB_MAX_SIZE;
use crate::manifest::{FileInfo, MANIFEST_NAME, Manifest, Signature, VerifyState};
use crate::name::{ArchiveKind, BackupType, Group, Namespace, Snapshot, check_file};
use crate::progress::Progress;
use crate::store::Store;
use crate::sys;
use crate::tree::{Listing, OpenSnapshot};

/// Entries of an index that are dealt with at a time: what is found of them is all remembered.
const WINDOW: usize = 1 << 16;

const SECONDS_OF_DAY: i64 = 86400;

/// The group of PBS's benchmark, in any namespace.
const BENCHMARK: (BackupType, &str) = (BackupType::Host, "benchmark");

/// The log that a client leaves besides the files in the manifest.
const LOG_NAME: &str = "client.log.blob";

/// A run of verification.
pub struct Verifier {
    store: Store,
    options: VerifyOptions,
    notes: Notes,
    workspaces: Vec<Workspace>,
    recorder: Recorder,
    progress: Progress,
}

/// The counts of one snapshot.
#[derive(Default)]
struct Tally {
    errors: u64,
    /// Of these, what could not be read.
    unread: u64,
    repaired: u64,
    /// Why the key does not vouch for it.
    unvouched: Option<String>,
}

impl Tally {
    /// Counts an error. That something cannot be read (no permission, a fault of the device) proves no damage.
    fn add(&mut self, kind: Kind) {
        self.errors += 1;
        self.unread += u64::from(kind == Kind::Io);
    }

    fn outcome(&self) -> Outcome {
        match (self.errors - self.unread, self.unread, &self.unvouched) {
            (0, 0, None) => Outcome::Ok,
            (0, 0, Some(_)) => Outcome::Unvouched,
            (0, ..) => Outcome::Unreadable,
            _ => Outcome::Failed,
        }
    }
}

/// What the given key proves about a snapshot.
#[derive(Default)]
struct Standing {
    /// The key is the one that the snapshot was made with: only then does a failure to decrypt prove anything.
    opens: bool,
    /// Why the key does not vouch for the snapshot, if it does not.
    unvouched: Option<String>,
}

impl Verifier {
    /// A run on `store`.
    ///
    /// Errors: `Argument` for too many threads, for a bad UPID, or if it is to repair and to change nothing.
    pub fn new(store: &Store, options: VerifyOptions) -> Result<Self> {
        if options.read_only && options.repair_from.is_some() {
            return Err(Error::new(Kind::Argument, "a verification that changes nothing cannot repair"));
        }
        if !options.read_only {
            store.base().check_writable()?;
        }
        let upid = options.upid.clone().unwrap_or_else(new_upid);
        if VerifyState::new(true, upid.clone()).is_none() {
            return Err(Error::new(Kind::Argument, format!("{upid:?} is no UPID")));
        }
        let (from, key) = (options.repair_from.clone(), options.key.clone());
        let threads = crew::thread_count(options.threads)?;
        Ok(Verifier {
            store: store.clone(),
            notes: Notes::new(upid),
            workspaces: try_collect(std::iter::repeat_with(|| Ok(Workspace::new(options.key.clone()))).take(threads))?,
            recorder: Recorder::new(store, options.read_only, from, key)?,
            progress: Progress::new(options.progress.clone()),
            options,
        })
    }

    /// The sums so far.
    pub fn sums(&self) -> Sums {
        Sums { unnoted: self.notes.lost(), ..self.recorder.sums }
    }

    /// Verifies what is in `scope`: group by group, of each the newest snapshot first. Damage is no error of this call.
    ///
    /// Errors: `NotFound` if the group or snapshot is not there; `Io` when it is listed, but in a whole store an entry
    /// that cannot be seen only makes the sums [incomplete](Sums::incomplete); `NoMemory`; those of the callbacks and
    /// of the notice.
    pub fn run(&mut self, scope: &Scope) -> Result<()> {
        let snapshots = self.list(scope)?;
        let verified = self.verify(&snapshots);
        // Outcomes are noted after a failure too.
        let noted = self.notes.write(&self.store);
        verified.and(noted)?;
        self.notes.tell_lost(&self.store)
    }

    fn verify(&mut self, snapshots: &[Snapshot]) -> Result<()> {
        let stage = &mut self.progress.stage;
        (stage.phase, stage.done, stage.total) = (PHASE_CHECK, 0, snapshots.len() as u64);
        self.progress.tick()?;
        for snapshot in snapshots {
            let mut tally = Tally::default();
            let outcome = self.snapshot(snapshot, &mut tally)?;
            let sums = &mut self.recorder.sums;
            sums.incomplete |= outcome == Outcome::Unreadable;
            *match outcome {
                Outcome::Ok => &mut sums.ok,
                Outcome::Failed => &mut sums.failed,
                Outcome::Unvouched => &mut sums.unvouched,
                Outcome::Unfinished => &mut sums.unfinished,
                Outcome::Busy | Outcome::Gone | Outcome::Recent | Outcome::Unreadable => &mut sums.skipped,
            } += 1;
            self.progress.stage.done += 1;
            if let Some(on_done) = &self.options.on_done {
                let Tally { errors, repaired, ref unvouched, .. } = tally;
                let reason = unvouched.as_deref().filter(|_| outcome == Outcome::Unvouched);
                on_done(&Done { snapshot, outcome, errors, repaired, reason })?;
            }
            self.progress.tick()?;
        }
        Ok(())
    }

    fn list(&mut self, scope: &Scope) -> Result<Vec<Snapshot>> {
        let groups = match scope {
            Scope::Store => self.listed(self.store.tree().groups_below(&Namespace::root())?),
            Scope::Namespace(namespace) => self.listed(self.store.tree().groups_below(namespace)?),
            Scope::Group(group) => vec![group.clone()],
            Scope::Snapshot(snapshot) => {
                if !self.store.tree().snapshot_info(snapshot)?.finished {
                    return Err(self.store.tree().no_manifest(snapshot));
                }
                return Ok(vec![snapshot.clone()]);
            }
        };
        let mut snapshots = Vec::new();
        let is_wanted = |group: &&Group| !scope.is_searched() || (group.kind(), group.id()) != BENCHMARK;
        for group in groups.iter().filter(is_wanted) {
            match self.store.tree().snapshot_names(group) {
                Ok(names) => {
                    let mut names = self.listed(names);
                    names.reverse();
                    append(&mut snapshots, &mut names)?;
                }
                // Removed since it was found.
                Err(error) if error.kind() == Kind::NotFound && scope.is_searched() => {}
                // It must not count as verified; the others are verified.
                Err(error) if error.errno().is_some_and(sys::is_denied) && scope.is_searched() => {
                    self.recorder.warn("a group is not verified", error)?;
                    self.recorder.sums.incomplete = true;
                }
                Err(error) => return Err(error),
            }
            self.progress.stage.done = snapshots.len() as u64;
            self.progress.tick()?;
        }
        Ok(snapshots)
    }

    /// The snapshots that were found. One that could not be seen must not count as verified.
    fn listed<T>(&mut self, listing: Listing<T>) -> Vec<T> {
        self.recorder.sums.incomplete |= listing.unseen.is_some();
        listing.found
    }

    fn snapshot(&mut self, snapshot: &Snapshot, tally: &mut Tally) -> Result<Outcome> {
        let store = self.store.clone();
        let open = match OpenSnapshot::open(store.tree(), snapshot, None) {
            Ok(open) => open,
            Err(error) if error.kind() == Kind::Busy => return Ok(Outcome::Busy),
            Err(error) if error.kind() == Kind::NotFound => return Ok(Outcome::Gone),
            Err(error) => {
                self.tell(snapshot, tally, MANIFEST_NAME, error)?;
                return Ok(tally.outcome());
            }
        };
        let Some(manifest) = open.manifest() else { return Ok(Outcome::Unfinished) };
        if self.is_recent(manifest) {
            return Ok(Outcome::Recent);
        }
        self.files(&open, manifest, tally)?;
        let outcome = tally.outcome();
        if !self.options.read_only && outcome != Outcome::Unreadable {
            self.notes.add(&self.store, snapshot, outcome != Outcome::Failed)?;
        }
        Ok(outcome)
    }

    /// Whether it has been found good lately (docs/format.md, 10.4).
    fn is_recent(&self, manifest: &Manifest) -> bool {
        let started = manifest.verify_state().filter(|state| state.ok).and_then(|state| state.started());
        match (self.options.skip_days, started) {
            (Some(days), Some(started)) => {
                i64::try_from(days).is_ok_and(|days| (sys::now() - started) / SECONDS_OF_DAY <= days)
                    || days > i64::MAX as u64
            }
            _ => false,
        }
    }

    fn files(&mut self, open: &OpenSnapshot, manifest: &Manifest, tally: &mut Tally) -> Result<()> {
        let snapshot = open.snapshot();
        let Standing { opens, unvouched } = match self.standing(snapshot, manifest) {
            Ok(standing) => standing,
            Err(error) => {
                self.tell(snapshot, tally, MANIFEST_NAME, error)?;
                Standing::default()
            }
        };
        tally.unvouched = unvouched;
        for info in manifest.files() {
            if let Err(error) = self.file(open, info, opens, tally) {
                self.tell(snapshot, tally, &info.filename, error)?;
            }
        }
        let listed: BTreeSet<_> = manifest.files().iter().map(|file| file.filename.as_str()).collect();
        let there = match self.store.tree().snapshot_files(snapshot) {
            Ok(there) => there,
            Err(error) => {
                self.recorder.sums.incomplete = true;
                return self.recorder.warn("what is not listed cannot be told", error);
            }
        };
        for file in there {
            if ![MANIFEST_NAME, LOG_NAME].contains(&file.name.as_str()) && !listed.contains(file.name.as_str()) {
                let path = self.store.path().join(snapshot.path()).join(&file.name);
                let message = format!("{}: the manifest does not list it, and it is not verified", path.display());
                self.store.base().notice(NoticeLevel::Warning, &message, Some(&path))?;
            }
        }
        Ok(())
    }

    /// Checks a manifest with the given key.
    ///
    /// Errors: `Auth` if the signature is wrong, or that of another snapshot's manifest; `Format`.
    fn standing(&self, snapshot: &Snapshot, manifest: &Manifest) -> Result<Standing> {
        let Some(key) = &self.options.key else { return Ok(Standing::default()) };
        let has_fingerprint = |is: bool| is && manifest.key_fingerprint().is_some();
        let standing = match manifest.verify(key) {
            Ok(Signature::Valid) => Standing { opens: true, unvouched: None },
            Ok(Signature::Missing) => {
                let fingerprint = manifest.check_fingerprint(Some(key));
                let why = || match &fingerprint {
                    Ok(()) => "it is not signed".to_owned(),
                    Err(error) => format!("it is not signed, and the key was not used: {}", error.message()),
                };
                let excused = self.options.allow_unsigned && fingerprint.is_ok();
                Standing { opens: has_fingerprint(fingerprint.is_ok()), unvouched: (!excused).then(why) }
            }
            Err(error) if error.kind() == Kind::KeyMismatch => {
                Standing { opens: false, unvouched: Some(format!("the key was not used: {}", error.message())) }
            }
            Err(error) => return Err(error),
        };
        manifest.check_place(snapshot)?;
        Ok(standing)
    }

    fn file(&mut self, open: &OpenSnapshot, info: &FileInfo, opens: bool, tally: &mut Tally) -> Result<()> {
        if check_file(&info.filename)? == ArchiveKind::Blob {
            return check_blob(&open.raw_blob(&info.filename)?, info, self.options.key.clone().filter(|_| opens));
        }
        let archive = open.index(&info.filename)?;
        if archive.listed.as_ref() != Some(info) {
            return Err(Error::new(Kind::Corrupt, format!("the manifest lists {:?} twice", info.filename)));
        }
        let index = &archive.index;
        let required = index.terms().required_form;
        let mut first = 0;
        while first < index.count() {
            let end = index.count().min(first + WINDOW);
            self.check_chunks(index, first..end, opens)?;
            for chunk in (first..end).filter_map(|i| index.chunk(i)) {
                if let Some(bad) = self.recorder.known.check_entry(&chunk, required) {
                    self.tell_bad_entry(open.snapshot(), tally, &info.filename, chunk, &bad)?;
                }
            }
            first = end;
        }
        Ok(())
    }

    /// Checks the chunks that have not been checked.
    fn check_chunks(&mut self, index: &Index, entries: std::ops::Range<usize>, opens: bool) -> Result<()> {
        self.recorder.known.make_room(entries.len())?;
        let wanted = self.wanted(index, entries, opens)?;
        let Verifier { store, options, workspaces, recorder, progress, .. } = self;
        let checker = Checker { store, key: options.key.as_deref(), opens, threads: workspaces.len() };
        let (max_jobs, mut left) = (MAX_AHEAD * workspaces.len(), wanted.iter());
        crew::run(
            workspaces,
            max_jobs,
            progress,
            |_: &mut Workspace, batch: &mut Batch, pause| checker.read_batch(&mut left, batch, pause),
            |workspace, batch, pause| checker.check_batch(workspace, batch, pause),
            &mut |batch, progress| recorder.record_batch(batch, opens, progress),
        )
    }

    /// The chunks that are to be checked, in the order in which they are to be read.
    fn wanted(&self, index: &Index, entries: std::ops::Range<usize>, opens: bool) -> Result<Vec<Wanted>> {
        let (mut seen, mut wanted) = (HashSet::with_hasher(self.recorder.known.seed()), Vec::new());
        for ChunkInfo { start, end, digest } in entries.filter_map(|i| index.chunk(i)) {
            if self.recorder.known.lacks(&digest, opens) && insert(&mut seen, digest)? {
                // A failure is found again when the chunk is read.
                let version = match self.options.index_order {
                    true => None,
                    false => self.store.chunks().chunk_version(&digest).ok().flatten(),
                };
                let order = version.map(|version| version.order());
                let number = wanted.len();
                push(&mut wanted, Wanted { digest, len: end - start, order, number })?;
            }
        }
        // Chunks without a known order stay in the order of the index.
        wanted.sort_unstable_by_key(|wanted| (wanted.order, wanted.number));
        Ok(wanted)
    }

    fn tell_bad_entry(
        &self,
        snapshot: &Snapshot,
        tally: &mut Tally,
        archive: &str,
        chunk: ChunkInfo,
        bad: &BadEntry,
    ) -> Result<()> {
        let BadEntry { kind, ref message, renamed, repaired } = *bad;
        match repaired {
            true => tally.repaired += 1,
            false => tally.add(kind),
        }
        let Some(on_damage) = &self.options.on_damage else { return Ok(()) };
        on_damage(&Damage { snapshot, archive, chunk: Some(chunk), kind, message, renamed, repaired })
    }

    /// Tells of a file that is not as it should be.
    ///
    /// Errors: `error`, if it ends the run; that of the callback.
    fn tell(&self, snapshot: &Snapshot, tally: &mut Tally, archive: &str, error: Error) -> Result<()> {
        if ends_all(&error) {
            return Err(error);
        }
        tally.add(error.kind());
        let (kind, message) = (error.kind(), error.message());
        let Some(on_damage) = &self.options.on_damage else { return Ok(()) };
        on_damage(&Damage { snapshot, archive, chunk: None, kind, message, renamed: false, repaired: false })
    }
}

/// Compares a blob's file with what the manifest says of it, and looks inside where that can be (docs/format.md, 10.2).
fn check_blob(raw: &[u8], info: &FileInfo, key: Option<Arc<CryptKey>>) -> Result<()> {
    let (has_key, mut codec) = (key.is_some(), Codec::with_key(key));
    let blob = codec.load(raw)?;
    let (size, csum) = (raw.len() as u64, sha256(raw));
    if size != info.size {
        return Err(Error::new(Kind::Corrupt, format!("it has {size} bytes, the manifest says {}", info.size)));
    }
    if csum != info.csum {
        return Err(Error::new(Kind::Corrupt, format!("its csum is {csum}, the manifest says {}", info.csum)));
    }
    if !blob.form().encrypted || has_key {
        codec.decode_vec(blob, None, BLOB_MAX_SIZE)?;
    }
    Ok(())
}
