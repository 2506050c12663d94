//! What a backend does, tried: services differ from what they say, and from each other.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{IsWanted, Key, Listing, Object, Put, PutDone, Requests};
use crate::error::{Error, Kind, Result};
use crate::sys::{self, SignalsBlocked};

/// Writes that race for one object.
const RACERS: usize = 8;

/// Bytes of a thread's stack, as those of a crew have. If it is not given, std asks the environment.
const STACK_SIZE: usize = 2 << 20;

/// Bytes of an object here, at most.
const DATA_MAX: usize = 64;

/// How long may be spent on removing what was made, after something has failed.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// What a backend was seen to do. What it refuses as not supported it does not do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// [`Put::New`] makes an object.
    pub put_new: bool,
    /// And refuses to make it again.
    pub put_new_refuses: bool,
    /// Of several that make one at once, one does.
    pub put_new_at_once: bool,
    /// What was written is read.
    pub get: bool,
    /// [`Put::IfMatch`] replaces the object that it names.
    pub if_match: bool,
    /// And no other.
    pub if_match_refuses: bool,
    /// A copy has the bytes.
    pub copy: bool,
    /// A listing has what was just written.
    pub list: bool,
    /// And begins behind the key that it is to begin behind.
    pub list_after: bool,
    /// Several are removed, and a listing does not have them any more.
    pub delete: bool,
    /// Removing what is not there is no failure.
    pub delete_missing: bool,
    /// Seconds that the service's clock is ahead of this machine's, if it has told.
    pub clock_offset: Option<i64>,
}

/// Tries what `requests`' backend does, on objects of its own that it removes again, in some 18 requests. What it says
/// of itself is not asked.
///
/// Errors: those of the backend that say more than that it does not do something; that of `is_wanted`.
pub fn probe(requests: &Requests, is_wanted: IsWanted<'_>) -> Result<ProbeReport> {
    let random: [u8; 8] = sys::random()?;
    let name = format!("probe-{:016x}", u64::from_le_bytes(random));
    let key = |end: &str| Key::own(&format!("{name}-{end}"));
    let mut probe = Probe {
        requests,
        is_wanted,
        prefix: Key::own_below(&name),
        first: key("1")?,
        second: key("2")?,
        missing: key("3")?,
        report: ProbeReport::default(),
    };
    let result = probe.run();
    if result.is_err() {
        // By its own time, since the call may no longer be wanted.
        let end = Instant::now() + CLEAN_UP;
        let in_time = || match Instant::now() < end {
            true => Ok(()),
            false => Err(Error::new(Kind::Cancelled, "the time for cleaning up is over")),
        };
        let _ = requests.delete(&[probe.first, probe.second], &in_time);
    }
    result.map(|()| probe.report)
}

struct Probe<'a> {
    requests: &'a Requests,
    is_wanted: IsWanted<'a>,
    prefix: String,
    first: Key,
    second: Key,
    /// Never written.
    missing: Key,
    report: ProbeReport,
}

impl Probe<'_> {
    fn run(&mut self) -> Result<()> {
        let data = self.race()?;
        let object = self.read(&data)?;
        self.replace(&data, object.map(|object| object.etag))?;
        self.list()?;
        self.delete()
    }

    /// Makes the first object, at once and again, and gives the bytes that it has then.
    fn race(&mut self) -> Result<Vec<Vec<u8>>> {
        let texts: Vec<Vec<u8>> = (0..RACERS).map(|i| format!("{} of {RACERS}", i + 1).into_bytes()).collect();
        let put = |data: &[u8]| supported(self.requests.put(&self.first, data, Put::New, self.is_wanted));
        let results: Vec<_> = if self.requests.limits().any_thread {
            let results = Mutex::new(Vec::with_capacity(RACERS));
            let race = |i: usize| {
                let result = put(&texts[i]);
                results.lock().unwrap_or_else(PoisonError::into_inner).push((i, result));
            };
            thread::scope(|scope| {
                // Signals are the host's.
                let blocked = SignalsBlocked::new();
                let race = &race;
                for i in 1..RACERS {
                    // One that cannot be started is one fewer.
                    let thread = thread::Builder::new().name("pxds".into()).stack_size(STACK_SIZE);
                    drop(thread.spawn_scoped(scope, move || race(i)));
                }
                drop(blocked);
                race(0);
            });
            results.into_inner().unwrap_or_else(PoisonError::into_inner)
        } else {
            (0..RACERS).map(|i| (i, put(&texts[i]))).collect()
        };
        let mut stored = Vec::new();
        for (i, result) in results {
            if result? == Some(PutDone::Stored) {
                stored.push(texts[i].clone());
            }
        }
        self.report.put_new = !stored.is_empty();
        self.report.put_new_at_once = stored.len() == 1;
        if stored.is_empty() {
            self.requests.put(&self.first, &texts[0], Put::Replace, self.is_wanted)?;
            return Ok(vec![texts[0].clone()]);
        }
        match put(b"again")? {
            Some(PutDone::Exists) => self.report.put_new_refuses = true,
            Some(PutDone::Stored) => return Ok(vec![b"again".to_vec()]),
            Some(PutDone::Changed) | None => {}
        }
        Ok(stored)
    }

    /// Whether the first object has one of these contents; gives what is known of it.
    fn read(&mut self, contents: &[Vec<u8>]) -> Result<Option<Object>> {
        let mut data = Vec::new();
        let object = self.requests.get(&self.first, DATA_MAX, &mut data, self.is_wanted)?;
        self.report.get = object.is_some() && contents.contains(&data);
        let now = object.as_ref().and_then(|object| object.now);
        self.report.clock_offset = now.map(|now| now.saturating_sub(sys::now()));
        Ok(object)
    }

    /// Replaces the first object on conditions, and copies it.
    fn replace(&mut self, contents: &[Vec<u8>], etag: Option<String>) -> Result<()> {
        let mut contents = contents.to_vec();
        if let Some(etag) = etag.filter(|etag| !etag.is_empty()) {
            let mut put_if = |data: &[u8], etag: &str| {
                let done = supported(self.requests.put(&self.first, data, Put::IfMatch(etag), self.is_wanted))?;
                if done == Some(PutDone::Stored) {
                    contents = vec![data.to_vec()];
                }
                Ok::<_, Error>(done)
            };
            self.report.if_match_refuses = put_if(b"by no right", &another(&etag))? == Some(PutDone::Changed);
            self.report.if_match = put_if(b"by right", &etag)? == Some(PutDone::Stored);
        }
        let copied = supported(self.requests.copy(&self.first, &self.second, self.is_wanted))?;
        if copied == Some(true) {
            let mut data = Vec::new();
            let object = self.requests.get(&self.second, DATA_MAX, &mut data, self.is_wanted)?;
            self.report.copy = object.is_some() && contents.contains(&data);
        } else {
            self.requests.put(&self.second, b"no copy", Put::Replace, self.is_wanted)?;
        }
        Ok(())
    }

    fn list(&mut self) -> Result<()> {
        let all = self.listed("")?;
        self.report.list = all.as_ref().is_some_and(|all| all.contains(&self.first) && all.contains(&self.second));
        let rest = self.listed(self.first.as_str())?;
        self.report.list_after = self.report.list && rest.is_some_and(|rest| rest == [self.second.clone()]);
        Ok(())
    }

    /// The objects of this probe behind `after`; `None` if what comes is no listing of them.
    fn listed(&self, after: &str) -> Result<Option<Vec<Key>>> {
        let (mut listing, mut page, mut keys) = (Listing::new(&self.prefix, after), Vec::new(), Vec::new());
        loop {
            match self.requests.list(&mut listing, &mut page, self.is_wanted) {
                Ok(true) => keys.extend(page.drain(..).map(|listed| listed.key)),
                Ok(false) => return Ok(Some(keys)),
                Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn delete(&mut self) -> Result<()> {
        let keys = [self.first.clone(), self.missing.clone(), self.second.clone()];
        let mut failed = self.requests.delete(&keys, self.is_wanted)?;
        self.report.delete_missing = !failed.iter().any(|(place, _)| *place == 1);
        failed.retain(|(place, _)| *place != 1);
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error.context("the objects of the probe stay"));
        }
        self.report.delete = self.listed("")?.is_some_and(|left| left.is_empty());
        Ok(())
    }
}

/// `None` for what is not supported.
fn supported<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == Kind::Unsupported => Ok(None),
        other => other.map(Some),
    }
}

/// A tag of the same form as `etag`, and another.
fn another(etag: &str) -> String {
    let changed: String = etag
        .chars()
        .map(|c| match c {
            '0'..='8' => char::from(c as u8 + 1),
            '9' => '0',
            c => c,
        })
        .collect();
    if changed == etag { format!("{etag}0") } else { changed }
}
