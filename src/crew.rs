//! Work for several threads: jobs are taken in order, done side by side, and delivered in order.
//!
//! # Contract
//!
//! - Each thread takes a job, does it, and takes the next. The caller's thread is one of them, and it alone delivers.
//! - A thread is started when those that there are have work and there is more. All have ended when [`run`] returns,
//!   after a failure too.
//! - The first failure stops all: nothing more is taken, and threads at work learn of it at the next pause. A failure
//!   to take a job is the end of the jobs instead: those before it are done and delivered first.
//! - At most `max_jobs` jobs have been taken and not yet delivered, so that slow deliveries bound the memory.
//! - The progress is told while nothing is ready too: at each pause of the caller's thread, and when that thread has
//!   waited until a report is due.
//! - Where memory runs out, fewer threads work. A thread that had none begins its job again when all others rest; from
//!   then on the caller's thread alone takes jobs. A job has failed if the second attempt fails.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::slice::IterMut;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use crate::error::{Error, Kind, Result, no_memory, reserve};
use crate::limits::MAX_THREADS;
use crate::progress::Progress;
use crate::sys::{self, SignalsBlocked};

/// Bytes of a thread's stack. If it is not given, std asks the environment.
const STACK_SIZE: usize = 2 << 20;

/// How long a thread that waits for memory waits before its next pause.
const PATIENCE: Duration = Duration::from_millis(50);

/// The buffers and codecs that one thread works with, used again for each job.
pub trait Workspace: Send {
    /// Gives back the memory that is kept to be used again, since it has run out. With `has_job` the data of the job
    /// under way stays.
    fn shed(&mut self, has_job: bool);
}

impl Workspace for () {
    fn shed(&mut self, _: bool) {}
}

/// Keeps a result with its job, so that a failure is met in the order of the jobs. The first time that memory has run
/// out is an error instead, for `work` to return, which is then called again.
///
/// Errors: `NoMemory`.
pub fn keep<T>(result: Result<T>, was_short: &mut bool) -> Result<Result<T>> {
    match result {
        Err(error) if error.kind() == Kind::NoMemory && !*was_short => {
            *was_short = true;
            Err(error)
        }
        result => Ok(result),
    }
}

/// The result of taking a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// There is no memory for the next job. It is still to be taken, and asked for once more.
    NoMemory,
    /// There are no more jobs.
    Nothing,
    /// A job, and it is the last one.
    Last,
    /// A job, and there may be more.
    More,
}

/// Is called between the parts of a long job. An error means that all is to stop; on the caller's thread, what is ready
/// is delivered meanwhile.
pub type Pause<'a> = dyn FnMut() -> Result<()> + 'a;

/// Takes the jobs that have been done, in order, on the caller's thread. An error stops all.
pub type Deliver<'a, J> = dyn FnMut(&mut J, &mut Progress) -> Result<()> + 'a;

/// The number of threads that an option asks for, of which 0 stands for the processors that this process may use.
///
/// Errors: `Argument` above [`MAX_THREADS`].
pub fn thread_count(option: usize) -> Result<usize> {
    match option {
        0 => Ok(thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)),
        1..=MAX_THREADS => Ok(option),
        _ => Err(Error::new(Kind::Argument, format!("{option} threads are more than {MAX_THREADS}"))),
    }
}

/// Does what `take` gives by `work`, and hands it to `deliver`. `progress` is told meanwhile; an error of it stops all.
///
/// There are as many threads as workspaces, the caller's among them. `take` runs on any thread, on one at a time;
/// `work` on all; `deliver` on the caller's. A job that was delivered is used again.
/// Work that has failed for lack of memory is called once more for the same job, which it may have done in part.
///
/// Errors: the first of any of the four. When it is one of `take`'s, all that was taken before has been delivered.
pub fn run<D, J, T, W>(
    workspaces: &mut [D],
    max_jobs: usize,
    progress: &mut Progress,
    take: T,
    work: W,
    deliver: &mut Deliver<'_, J>,
) -> Result<()>
where
    D: Workspace,
    J: Default + Send,
    T: FnMut(&mut D, &mut J, &mut Pause<'_>) -> Result<Taken> + Send,
    W: Fn(&mut D, &mut J, &mut Pause<'_>) -> Result<()> + Sync,
{
    let mut workspaces = workspaces.iter_mut();
    let workspace = workspaces.next().ok_or_else(|| Error::new(Kind::Internal, "work without a thread"))?;
    let mut state = State {
        take: Some(take),
        workspaces,
        idle_helpers: 0,
        phase: Phase::Open,
        taken: 0,
        delivered: 0,
        done: VecDeque::new(),
        idle: Vec::new(),
        used: 0,
        short: 0,
        is_lean: false,
    };
    let no_room = |_| no_memory(max_jobs.saturating_mul(size_of::<J>()));
    state.done.try_reserve(max_jobs).map_err(no_room)?;
    state.idle.try_reserve(max_jobs).map_err(no_room)?;
    let mut handles = Vec::new();
    reserve(&mut handles, state.workspaces.len())?;
    let crew = Crew { state: Mutex::new(state), changed: Condvar::new(), work, max_jobs: max_jobs.max(1) };
    thread::scope(|scope| {
        let mut helpers = Helpers { scope, handles };
        let mut receiver = Receiver { progress, deliver };
        let result = crew.lead(&mut helpers, &mut Worker { workspace, is_used: false }, &mut receiver);
        helpers.join();
        result.inspect(|()| sys::memory_is_back())
    })
}

/// What the caller's thread does besides the work: it tells the progress, and delivers.
struct Receiver<'a, J> {
    progress: &'a mut Progress,
    deliver: &'a mut Deliver<'a, J>,
}

/// A thread of the crew.
struct Worker<'a, D> {
    workspace: &'a mut D,
    /// The workspace has memory.
    is_used: bool,
}

/// The threads that have been started.
struct Helpers<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    handles: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl Helpers<'_, '_> {
    /// Waits until the system has ended them: nothing of the library may run when its caller unloads it.
    fn join(self) {
        for handle in self.handles {
            if let Err(panic) = handle.join() {
                resume_unwind(panic);
            }
        }
    }
}

/// How far the jobs are.
enum Phase {
    /// There may be more to take.
    Open,
    /// All are taken, and this has ended them.
    Ended(Result<()>),
    /// Something has failed.
    Failed(Error),
}

struct State<'env, D, J, T> {
    /// `None` while a thread takes a job.
    take: Option<T>,
    /// Workspaces of threads that have not been started.
    workspaces: IterMut<'env, D>,
    /// Threads that have been started and have no job yet.
    idle_helpers: usize,
    phase: Phase,
    taken: u64,
    delivered: u64,
    /// A place for each job that was taken and not delivered; filled when it is done.
    done: VecDeque<Option<J>>,
    idle: Vec<J>,
    /// Workspaces that have memory.
    used: usize,
    /// Threads that have had no memory and wait for that of all others, or have it now.
    short: usize,
    /// Memory has run out: only the caller's thread takes more.
    is_lean: bool,
}

struct Crew<'env, D, J, T, W> {
    state: Mutex<State<'env, D, J, T>>,
    /// Told of every change of the state that a thread may wait for.
    changed: Condvar,
    work: W,
    max_jobs: usize,
}

impl<D, J, T> State<'_, D, J, T> {
    fn can_take(&self, max_jobs: usize) -> bool {
        matches!(self.phase, Phase::Open) && self.take.is_some() && self.done.len() < max_jobs && self.short == 0
    }

    fn occupy(&mut self, worker: &mut Worker<'_, D>) {
        self.used += usize::from(!worker.is_used);
        worker.is_used = true;
    }

    fn fail(&mut self, error: Error) {
        if !matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Failed(error);
        }
    }
}

impl<'env, D, J, T, W> Crew<'env, D, J, T, W>
where
    D: Workspace,
    J: Default + Send,
    T: FnMut(&mut D, &mut J, &mut Pause<'_>) -> Result<Taken> + Send,
    W: Fn(&mut D, &mut J, &mut Pause<'_>) -> Result<()> + Sync,
{
    fn state(&self) -> MutexGuard<'_, State<'env, D, J, T>> {
        // Nothing that can panic runs between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<'env, D, J, T>>) -> MutexGuard<'a, State<'env, D, J, T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Crew::wait`], but no longer than `patience`; tells whether that has ended.
    fn wait_at_most<'a>(
        &self,
        state: MutexGuard<'a, State<'env, D, J, T>>,
        patience: Option<Duration>,
    ) -> (MutexGuard<'a, State<'env, D, J, T>>, bool) {
        let Some(patience) = patience else { return (self.wait(state), false) };
        let (state, timeout) = self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }

    /// What the caller's thread does: delivers what is ready, and works otherwise.
    fn lead<'scope>(
        &'scope self,
        helpers: &mut Helpers<'scope, '_>,
        worker: &mut Worker<'_, D>,
        receiver: &mut Receiver<'_, J>,
    ) -> Result<()> {
        let _alarm = Alarm(self);
        loop {
            self.attend(helpers, receiver)?;
            let mut state = self.state();
            loop {
                match &state.phase {
                    Phase::Failed(error) => return Err(error.clone()),
                    Phase::Ended(result) if state.done.is_empty() => return result.clone(),
                    _ => {}
                }
                if matches!(state.done.front(), Some(Some(_))) {
                    break;
                }
                if state.can_take(self.max_jobs) {
                    self.take_and_work(state, worker, &mut || self.attend(helpers, receiver));
                    break;
                }
                if state.short > 0 && worker.is_used {
                    drop(state);
                    self.clear(worker, false);
                    break;
                }
                let is_late;
                (state, is_late) = self.wait_at_most(state, receiver.progress.due_in());
                if is_late {
                    break;
                }
            }
        }
    }

    /// What the caller's thread does between two parts of its work.
    fn attend<'scope>(&'scope self, helpers: &mut Helpers<'scope, '_>, receiver: &mut Receiver<'_, J>) -> Result<()> {
        self.hire(helpers);
        self.deliver_ready(receiver)?;
        receiver.progress.tick().inspect_err(|error| self.fail(error))
    }

    /// What every other thread does.
    fn help(&self, workspace: &mut D) {
        let _alarm = Alarm(self);
        let (mut is_new, mut worker) = (true, Worker { workspace, is_used: false });
        let mut state = self.state();
        while matches!(state.phase, Phase::Open) && !state.is_lean {
            if !state.can_take(self.max_jobs) {
                state = self.wait(state);
                continue;
            }
            if is_new {
                is_new = false;
                state.idle_helpers -= 1;
            }
            self.take_and_work(state, &mut worker, &mut || self.check());
            state = self.state();
        }
        if state.is_lean {
            drop(state);
            self.clear(&mut worker, false);
        } else {
            // Its memory stays for the next run.
            state.used -= usize::from(worker.is_used);
        }
    }

    /// Starts a thread if all that there are have work, and there is more.
    fn hire<'scope>(&'scope self, helpers: &mut Helpers<'scope, '_>) {
        let mut state = self.state();
        if state.taken == 0 || state.idle_helpers > 0 || state.is_lean || !matches!(state.phase, Phase::Open) {
            return;
        }
        let Some(workspace) = state.workspaces.next() else { return };
        state.idle_helpers += 1;
        drop(state);
        let _blocked = SignalsBlocked::new();
        match thread::Builder::new()
            .name("pxds".into())
            .stack_size(STACK_SIZE)
            .spawn_scoped(helpers.scope, move || self.help(workspace))
        {
            Ok(handle) => helpers.handles.push(handle),
            // The system has no more threads: those that there are do the work.
            Err(_) => self.state().workspaces = [].iter_mut(),
        }
    }

    /// Takes a job, which can be, and does it. How that went is in the state.
    fn take_and_work(
        &self,
        mut state: MutexGuard<'_, State<'env, D, J, T>>,
        worker: &mut Worker<'_, D>,
        pause: &mut Pause<'_>,
    ) {
        let Some(mut take) = state.take.take() else { return };
        let mut job = state.idle.pop().unwrap_or_default();
        state.occupy(worker);
        drop(state);
        // A failure of `take`'s own is no lack of memory here: some of the job may have been taken.
        let taken = self.with_memory(worker, false, pause, &mut |workspace, pause| {
            sys::check_memory()?;
            match take(workspace, &mut job, pause) {
                Ok(Taken::NoMemory) => Err(none_for_a_job()),
                taken => Ok(taken),
            }
        });
        let taken = taken.and_then(|taken| taken);

        let mut state = self.state();
        state.take = Some(take);
        if !matches!(state.phase, Phase::Open) {
            return;
        }
        let number = state.taken;
        match taken {
            Ok(Taken::More) => {}
            Ok(Taken::Last | Taken::Nothing) => state.phase = Phase::Ended(Ok(())),
            Ok(Taken::NoMemory) => state.phase = Phase::Ended(Err(none_for_a_job())),
            Err(ref error) => state.phase = Phase::Ended(Err(error.clone())),
        }
        let got_one = matches!(taken, Ok(Taken::More | Taken::Last));
        if got_one {
            state.taken += 1;
            state.done.push_back(None);
        }
        drop(state);
        self.changed.notify_all();
        if got_one {
            // The caller's thread starts another before it begins.
            let mut work = |workspace: &mut D, pause: &mut Pause<'_>| (self.work)(workspace, &mut job, pause);
            let result = pause().and_then(|()| self.with_memory(worker, true, pause, &mut work));
            self.finish(number, job, result);
        }
    }

    /// Does `step`; a second time, when all others rest, if there was no memory for the first. `has_job`: a job has
    /// been taken, and its data may be in the workspace.
    fn with_memory<R>(
        &self,
        worker: &mut Worker<'_, D>,
        has_job: bool,
        pause: &mut Pause<'_>,
        step: &mut dyn FnMut(&mut D, &mut Pause<'_>) -> Result<R>,
    ) -> Result<R> {
        match step(worker.workspace, pause) {
            Err(error) if error.kind() == Kind::NoMemory && self.check().is_ok() => {
                self.clear(worker, has_job);
                let result = self.await_memory(worker, pause).and_then(|()| step(worker.workspace, pause));
                self.state().short -= 1;
                self.changed.notify_all();
                result
            }
            result => result,
        }
    }

    /// Waits until no other workspace has memory. From then on only threads that wait here begin a job.
    fn await_memory(&self, worker: &mut Worker<'_, D>, pause: &mut Pause<'_>) -> Result<()> {
        let mut state = self.state();
        state.is_lean = true;
        state.short += 1;
        self.changed.notify_all();
        // A finished job has memory until it is delivered.
        while state.used > 0 || matches!(state.done.front(), Some(Some(_))) {
            (state, _) = self.wait_at_most(state, Some(PATIENCE));
            drop(state);
            pause()?;
            state = self.state();
        }
        state.idle.clear();
        state.occupy(worker);
        Ok(())
    }

    /// Gives back the memory of a workspace; see [`Workspace::shed`].
    fn clear(&self, worker: &mut Worker<'_, D>, has_job: bool) {
        worker.workspace.shed(has_job);
        if worker.is_used {
            worker.is_used = false;
            self.state().used -= 1;
            self.changed.notify_all();
        }
    }

    fn finish(&self, number: u64, job: J, result: Result<()>) {
        let mut state = self.state();
        let slot = usize::try_from(number - state.delivered).unwrap_or(usize::MAX);
        match result {
            Ok(()) => {
                if let Some(slot) = state.done.get_mut(slot) {
                    *slot = Some(job);
                }
            }
            Err(error) => state.fail(error),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Delivers what comes next, as far as it is done.
    fn deliver_ready(&self, receiver: &mut Receiver<'_, J>) -> Result<()> {
        loop {
            let mut state = self.state();
            if let Phase::Failed(error) = &state.phase {
                return Err(error.clone());
            }
            let Some(mut job) = state.done.front_mut().and_then(Option::take) else { return Ok(()) };
            // Its place stays until it is delivered: it counts among those that may be under way.
            drop(state);
            (receiver.deliver)(&mut job, receiver.progress).inspect_err(|error| self.fail(error))?;
            let mut state = self.state();
            state.done.pop_front();
            state.delivered += 1;
            if !state.is_lean || state.idle.is_empty() {
                state.idle.push(job);
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Stops all for a failure of a delivery or of the progress. It is known before anybody returns it: it must not
    /// pass for the end of the jobs.
    fn fail(&self, error: &Error) {
        self.state().fail(error.clone());
        self.changed.notify_all();
    }

    fn check(&self) -> Result<()> {
        match &self.state().phase {
            Phase::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

fn none_for_a_job() -> Error {
    Error::new(Kind::NoMemory, "there is no memory for the next part of the work")
}

/// Stops the others when a thread panics: they would wait for it for ever.
struct Alarm<'a, 'env, D, J, T, W>(&'a Crew<'env, D, J, T, W>);

impl<D, J, T, W> Drop for Alarm<'_, '_, D, J, T, W> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.fail(Error::new(Kind::Internal, "a thread of the library has panicked"));
            drop(state);
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::ThreadId;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::callback::Callback;
    use crate::progress::Stage;

    #[derive(Default)]
    struct Job {
        number: usize,
        square: usize,
        by: Option<ThreadId>,
    }

    fn failure(text: &str) -> Error {
        Error::new(Kind::Io, text)
    }

    /// Squares the numbers below `count`, some slower than others.
    fn squares(threads: usize, count: usize, max_jobs: usize) -> (Vec<usize>, usize) {
        let (caller, mut next, mut squares, mut by) = (thread::current().id(), 0, Vec::new(), BTreeSet::new());
        let (under_way, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut deliver = |job: &mut Job, _: &mut Progress| {
            assert_eq!(thread::current().id(), caller);
            under_way.fetch_sub(1, Ordering::SeqCst);
            squares.push(job.square);
            by.insert(format!("{:?}", job.by));
            Ok(())
        };
        let take = |_: &mut (), job: &mut Job, _: &mut Pause<'_>| {
            job.number = next;
            next += 1;
            if next > count {
                return Ok(Taken::Nothing);
            }
            assert!(under_way.fetch_add(1, Ordering::SeqCst) < max_jobs);
            Ok(if next == count { Taken::Last } else { Taken::More })
        };
        let work = |_: &mut (), job: &mut Job, pause: &mut Pause<'_>| {
            thread::sleep(Duration::from_micros(((job.number * 7) % 5 * 100) as u64));
            begun.fetch_add(1, Ordering::SeqCst);
            let begin = Instant::now();
            // Where there are jobs enough, each thread gets one, however long it takes to start. `pause` starts them.
            while count.min(max_jobs) >= 100
                && begun.load(Ordering::SeqCst) < threads
                && begin.elapsed() < Duration::from_secs(300)
            {
                pause()?;
                thread::yield_now();
            }
            pause()?;
            job.square = job.number * job.number;
            job.by = Some(thread::current().id());
            Ok(())
        };
        run(&mut vec![(); threads], max_jobs, &mut Progress::default(), take, work, &mut deliver).unwrap();
        (squares, by.len())
    }

    #[test]
    fn jobs_are_delivered_in_order_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            for count in [0, 1, 2, 100] {
                for max_jobs in [1, 3, 100] {
                    let (squares, by) = squares(threads, count, max_jobs);
                    assert!(squares.iter().copied().eq((0..count).map(|n| n * n)), "{threads} {count} {max_jobs}");
                    assert!(by <= threads.min(count));
                    assert!(count < 100 || max_jobs < 100 || by == threads, "{by} of {threads} have worked");
                }
            }
        }
    }

    #[derive(Debug, PartialEq)]
    struct Counter(usize);

    impl Workspace for Counter {
        fn shed(&mut self, _: bool) {
            self.0 = 0;
        }
    }

    #[test]
    fn a_single_job_starts_no_thread() {
        let threads = AtomicUsize::new(0);
        let mut workspaces = [Counter(0), Counter(0)];
        let take = |Counter(workspace): &mut Counter, _: &mut Job, _: &mut Pause<'_>| {
            *workspace += 1;
            threads.fetch_add(1, Ordering::SeqCst);
            Ok(Taken::Last)
        };
        run(&mut workspaces, 8, &mut Progress::default(), take, |_, _, _| Ok(()), &mut |_: &mut Job, _| Ok(()))
            .unwrap();
        assert_eq!((threads.into_inner(), workspaces), (1, [Counter(1), Counter(0)]));
    }

    /// Runs 100 jobs, of which number 10 fails where `fails` says, and gives what was delivered and the error.
    fn failing(threads: usize, fails: &str) -> (usize, Error) {
        let (mut next, mut delivered) = (0, 0);
        let mut deliver = |job: &mut Job, _: &mut Progress| {
            if fails == "deliver" && job.number == 10 {
                return Err(failure("deliver"));
            }
            assert_eq!(job.number, delivered);
            delivered += 1;
            Ok(())
        };
        let take = |_: &mut (), job: &mut Job, _: &mut Pause<'_>| {
            job.number = next;
            next += 1;
            if fails == "take" && job.number == 10 { Err(failure("take")) } else { Ok(Taken::More) }
        };
        let work = |_: &mut (), job: &mut Job, _: &mut Pause<'_>| {
            if fails == "panic" && job.number == 10 {
                panic!("expected by the test");
            }
            if fails == "work" && job.number == 10 { Err(failure("work")) } else { Ok(()) }
        };
        let error = run(&mut vec![(); threads], 16, &mut Progress::default(), take, work, &mut deliver).unwrap_err();
        (delivered, error)
    }

    #[test]
    fn the_first_failure_ends_all() {
        for threads in [1, 2, 8] {
            for fails in ["take", "work", "deliver"] {
                let (delivered, error) = failing(threads, fails);
                assert_eq!(error.message(), fails);
                assert!(delivered <= 10);
                assert!(fails == "work" || delivered == 10, "{fails}: what came before is delivered");
            }
        }
    }

    #[test]
    fn a_panic_ends_all() {
        for threads in [1, 2, 8] {
            assert!(catch_unwind(AssertUnwindSafe(|| failing(threads, "panic"))).is_err());
        }
    }

    /// Threads that work, and threads that wait for input, learn at the next pause that another has failed.
    #[test]
    fn a_failure_reaches_those_who_work_and_those_who_wait() {
        let mut next = 0;
        let take = |_: &mut (), job: &mut Job, pause: &mut Pause<'_>| {
            job.number = next;
            next += 1;
            if job.number < 3 {
                return Ok(Taken::More);
            }
            loop {
                pause()?;
                thread::sleep(Duration::from_millis(1));
            }
        };
        let work = |_: &mut (), job: &mut Job, pause: &mut Pause<'_>| {
            if job.number == 2 {
                return Err(failure("work"));
            }
            loop {
                pause()?;
                thread::sleep(Duration::from_millis(1));
            }
        };
        let error =
            run(&mut [(); 4], 16, &mut Progress::default(), take, work, &mut |_: &mut Job, _| Ok(())).unwrap_err();
        assert_eq!(error.message(), "work");
    }

    /// Finished jobs are delivered while the caller's thread waits for input.
    #[test]
    fn waiting_for_input_holds_nothing_up() {
        let delivered = AtomicUsize::new(0);
        let mut next = 0;
        let take = |_: &mut (), job: &mut Job, pause: &mut Pause<'_>| {
            job.number = next;
            next += 1;
            if job.number < 2 {
                return Ok(Taken::More);
            }
            while delivered.load(Ordering::SeqCst) < 2 {
                pause()?;
                thread::sleep(Duration::from_millis(1));
            }
            Ok(Taken::Nothing)
        };
        let mut deliver = |_: &mut Job, _: &mut Progress| {
            delivered.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        run(&mut [(); 2], 16, &mut Progress::default(), take, |_, _, _| Ok(()), &mut deliver).unwrap();
    }

    #[test]
    fn a_receiver_may_fail_while_its_thread_waits_for_input() {
        for threads in [1, 2, 8] {
            let mut next = 0;
            let take = |_: &mut (), _: &mut Job, pause: &mut Pause<'_>| {
                next += 1;
                if next <= 2 {
                    return Ok(Taken::More);
                }
                loop {
                    pause()?;
                    thread::sleep(Duration::from_millis(1));
                }
            };
            let error = run(
                &mut vec![(); threads],
                16,
                &mut Progress::default(),
                take,
                |_, _, _| Ok(()),
                &mut |_: &mut Job, _| Err(failure("deliver")),
            );
            assert_eq!(error.unwrap_err().message(), "deliver");
        }
    }

    /// A workspace that takes one unit of a memory when it is first used, and a job another.
    struct Greedy<'a> {
        free: &'a AtomicUsize,
        kept: usize,
    }

    impl Greedy<'_> {
        fn get(&self) -> Result<()> {
            let one_less = |free: usize| free.checked_sub(1);
            let got = self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
            got.map(drop).map_err(|_| Error::new(Kind::NoMemory, "no unit is free"))
        }

        fn settle(&mut self) -> Result<()> {
            if self.kept == 0 {
                self.get()?;
                self.kept = 1;
            }
            Ok(())
        }
    }

    impl Workspace for Greedy<'_> {
        fn shed(&mut self, _: bool) {
            self.free.fetch_add(self.kept, Ordering::SeqCst);
            self.kept = 0;
        }
    }

    /// Does 60 jobs with so many units of memory, and gives how many were delivered.
    fn with_units(threads: usize, units: usize, take_needs: bool) -> (Result<()>, usize) {
        let free = AtomicUsize::new(units);
        let (mut next, mut delivered) = (0, 0);
        let take = |workspace: &mut Greedy<'_>, job: &mut Job, _: &mut Pause<'_>| {
            if take_needs && workspace.settle().is_err() {
                return Ok(Taken::NoMemory);
            }
            job.number = next;
            next += 1;
            Ok(if next == 60 { Taken::Last } else { Taken::More })
        };
        let work = |workspace: &mut Greedy<'_>, job: &mut Job, pause: &mut Pause<'_>| {
            workspace.settle()?;
            workspace.get()?;
            thread::sleep(Duration::from_micros(200));
            let paused = pause();
            free.fetch_add(1, Ordering::SeqCst);
            job.square = job.number * job.number;
            paused
        };
        let mut deliver = |job: &mut Job, _: &mut Progress| {
            assert_eq!((job.number, job.square), (delivered, delivered * delivered));
            delivered += 1;
            Ok(())
        };
        let mut workspaces: Vec<_> = (0..threads).map(|_| Greedy { free: &free, kept: 0 }).collect();
        let result = run(&mut workspaces, 16, &mut Progress::default(), take, work, &mut deliver);
        (result, delivered)
    }

    #[test]
    fn little_memory_is_for_few_threads() {
        for threads in [1, 2, 8] {
            for take_needs in [false, true] {
                for units in [2, 3, 5, 100] {
                    let (result, delivered) = with_units(threads, units, take_needs);
                    assert_eq!((result.map_err(|error| error.kind()), delivered), (Ok(()), 60), "{threads}, {units}");
                }
                for units in [0, 1] {
                    let (result, delivered) = with_units(threads, units, take_needs);
                    assert_eq!((result.unwrap_err().kind(), delivered), (Kind::NoMemory, 0), "{threads}, {units}");
                }
            }
        }
    }

    /// Progress whose callback has enough when it has been called so often.
    fn watched(most: usize) -> Progress {
        let calls_left = AtomicUsize::new(most);
        Progress::new(Some(Callback(Arc::new(move |_: &Stage| {
            let left = calls_left.fetch_sub(1, Ordering::SeqCst);
            assert!(left > 0, "it has had enough");
            if left == 1 { Err(failure("pause")) } else { Ok(()) }
        }))))
    }

    #[test]
    fn progress_is_told_while_nothing_happens() {
        for threads in [1, 2, 8] {
            for helper_waits in [false, true] {
                let (caller, mut next) = (thread::current().id(), 0);
                let take = |_: &mut (), _: &mut Job, pause: &mut Pause<'_>| {
                    next += 1;
                    let is_mine = thread::current().id() == caller;
                    if next <= 2 || (helper_waits && is_mine && threads > 1) {
                        return Ok(Taken::More);
                    }
                    loop {
                        pause()?;
                        thread::sleep(Duration::from_millis(1));
                    }
                };
                let error =
                    run(&mut vec![(); threads], 4, &mut watched(3), take, |_, _, _| Ok(()), &mut |_: &mut Job, _| {
                        Ok(())
                    })
                    .unwrap_err();
                assert_eq!(error.message(), "pause");
            }
        }
    }

    #[test]
    fn numbers_of_threads() {
        assert!(thread_count(0).unwrap() >= 1);
        assert_eq!([thread_count(1).unwrap(), thread_count(MAX_THREADS).unwrap()], [1, MAX_THREADS]);
        for absurd in [MAX_THREADS + 1, 100_000, usize::MAX] {
            assert_eq!(thread_count(absurd).unwrap_err().kind(), Kind::Argument);
        }
    }
}
