//! A schedule: actors begin, take turns, pause and die, as the seed has it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::bucket::{Bucket, FLIGHT, Key, LEASE, LOCK, Part, Set};
use super::rules::Rule;
use super::world::{Client, Machine, Rng, Tag, Weather, World};
use super::{collector, tree, writer};

/// Turns in which actors begin.
const STEPS: u32 = 400;
/// Turns after which those that are left must have ended.
const MOST_STEPS: u32 = 6000;
const ACTORS: usize = 6;

struct Actor {
    tag: Rc<Tag>,
    collects: bool,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

struct Schedule {
    world: Rc<RefCell<World>>,
    actors: Vec<Actor>,
    /// How often one begins, in a thousand, and what it is then.
    begin: u32,
    shares: [u32; 5],
}

/// Runs the schedule of a seed. Errors: what was lost, or is left. `told`: requests are printed.
pub(crate) fn run(seed: u64, without: Option<Rule>, told: bool) -> Result<(), String> {
    let mut schedule = Schedule::new(seed, without, told);
    schedule.storm()?;
    // A rule is about losses; without one, collections may not end.
    if without.is_none() { schedule.calm() } else { Ok(()) }
}

impl Schedule {
    fn new(seed: u64, without: Option<Rule>, told: bool) -> Schedule {
        let mut rng = Rng(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let mut some = |most: u32| if rng.below(3) == 0 { 0 } else { rng.below(most + 1) };
        let weather = Weather {
            crash: some(10),
            pause: some(50),
            slow: some(300),
            lost: some(100),
            twice: some(250),
            rot: some(12),
            chunks: 0,
            tick: some(3),
        };
        let weather = Weather { chunks: 2 + rng.below(4), tick: 1 + weather.tick.max(1), ..weather };
        let machines = 1 + rng.below(3);
        let mut machine =
            || Machine { skew: rng.below(2 * FLIGHT - 1) as i32 - FLIGHT as i32 + 1, ..Machine::default() };
        let machines = (0..machines).map(|_| machine()).collect();
        let begin = 20 + rng.below(300);
        let shares = [3 + rng.below(8), 1 + rng.below(5), 1 + rng.below(8), rng.below(4), rng.below(3)];
        let world = World {
            without,
            rng,
            now: 1000,
            bucket: Bucket::default(),
            machines,
            weather,
            late: Vec::new(),
            sent: Default::default(),
            next_id: 0,
            loss: None,
            told,
        };
        Schedule { world: Rc::new(RefCell::new(world)), actors: Vec::new(), begin, shares }
    }

    fn below(&self, bound: u32) -> u32 {
        self.world.borrow_mut().rng.below(bound)
    }

    fn often(&self, per_mille: u32) -> bool {
        self.world.borrow_mut().rng.often(per_mille)
    }

    fn loss(&self) -> Result<(), String> {
        self.world.borrow().loss.clone().map_or(Ok(()), Err)
    }

    /// Everything happens.
    fn storm(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            if self.actors.len() < ACTORS && self.often(self.begin) {
                self.begin();
            }
            self.disturb();
            self.turn();
            self.loss()?;
        }
        Ok(())
    }

    /// Nothing goes wrong any more. All end, and no garbage is left.
    fn calm(&mut self) -> Result<(), String> {
        let chunks = self.world.borrow().weather.chunks;
        self.world.borrow_mut().weather = Weather { chunks, tick: 2, ..Weather::default() };
        for _ in 0..MOST_STEPS {
            if self.actors.is_empty() {
                break;
            }
            // Writers wait for a sweep whose collector is dead.
            if !self.actors.iter().any(|actor| actor.collects) && self.often(100) {
                self.collect(3);
            }
            self.turn();
            self.loss()?;
        }
        if !self.actors.is_empty() {
            return Err(format!("{} actors do not end", self.actors.len()));
        }
        for _ in 0..2 {
            self.world.borrow_mut().now += LEASE + LOCK;
            self.collect(100);
            while !self.actors.is_empty() {
                self.turn();
                self.loss()?;
            }
        }
        let world = self.world.borrow();
        let left = world.chunks(|_| true) & !world.live();
        let has = |key: Key| world.bucket.0.contains_key(&key);
        let mut open = world.bucket.0.keys().filter(|key| {
            matches!(key, Key::Gc(n, Part::List | Part::Bad) if !has(Key::Gc(*n, Part::Done)))
                || matches!(key, Key::Lease(..))
        });
        match (left, open.next()) {
            (0, None) => Ok(()),
            (left, open) => Err(format!("garbage {left:#b} or {open:?} is left")),
        }
    }

    fn client(&self) -> Client {
        let machines = self.world.borrow().machines.len() as u32;
        let machine = self.below(machines) as usize;
        let client = Client { world: self.world.clone(), tag: Rc::default(), machine, id: 0 };
        Client { id: client.new_id(), ..client }
    }

    fn add(&mut self, tag: Rc<Tag>, collects: bool, future: impl Future<Output = ()> + 'static) {
        self.actors.push(Actor { tag, collects, future: Box::pin(future) });
    }

    fn collect(&mut self, patience: u32) {
        let client = self.client();
        self.add(client.tag.clone(), true, collector::collector(client, patience));
    }

    fn begin(&mut self) {
        let client = self.client();
        let tag = client.tag.clone();
        let mut share = self.below(self.shares.iter().sum());
        let mut kind = 0;
        while share >= self.shares[kind] {
            share -= self.shares[kind];
            kind += 1;
        }
        match kind {
            0 => {
                let chunks = self.world.borrow().weather.chunks;
                let wanted = (0..1 + self.below(3)).fold(0 as Set, |set, _| set | 1 << self.below(chunks));
                let mirror = self.world.borrow().machines[client.machine].mirror.clone();
                let base = if mirror.is_empty() || self.often(400) {
                    None
                } else {
                    Some(mirror[self.below(mirror.len() as u32) as usize])
                };
                self.add(tag, false, writer::writer(client, wanted, base));
            }
            1 => self.add(tag, false, tree::pruner(client)),
            2 => {
                let patience = self.below(30);
                self.add(tag, true, collector::collector(client, patience));
            }
            3 => self.add(tag, false, collector::verify(client)),
            _ => self.add(tag, false, tree::noter(client)),
        }
    }

    /// Rot, refreshed mirrors, crashes, and pauses.
    fn disturb(&mut self) {
        let weather = self.world.borrow().weather;
        if self.often(weather.rot) {
            let chunk = self.below(weather.chunks) as u8;
            self.world.borrow_mut().rot(chunk);
        }
        if self.often(50) {
            let mut world = self.world.borrow_mut();
            let snapshots = world.bucket.0.iter().filter_map(|(key, object)| match key {
                Key::Manifest(name) => Some((*name, object.data)),
                _ => None,
            });
            let mirror = snapshots.collect();
            let machines = world.machines.len() as u32;
            let machine = world.rng.below(machines) as usize;
            world.machines[machine].mirror = mirror;
        }
        if self.actors.is_empty() {
            return;
        }
        let at = self.below(self.actors.len() as u32) as usize;
        if self.often(weather.crash) {
            self.actors.swap_remove(at);
        } else if self.often(weather.pause) {
            let long = [FLIGHT, LOCK, LEASE, LEASE, 3 * LEASE][self.below(5) as usize];
            let ticks = 1 + self.below(long);
            let now = self.world.borrow().now;
            let tag = &self.actors[at].tag;
            tag.asleep.set(now + ticks);
            if self.often(300) {
                tag.behind.set(tag.behind.get() + ticks);
            }
        }
    }

    /// Time passes, what was on its way arrives, and one actor goes on by one step.
    fn turn(&mut self) {
        {
            let mut world = self.world.borrow_mut();
            let tick = world.weather.tick;
            world.now += world.rng.below(tick);
            let now = world.now;
            if self.actors.iter().all(|actor| actor.tag.asleep.get() > now) {
                let wake = self.actors.iter().map(|actor| actor.tag.asleep.get()).min().unwrap_or(now + 1);
                world.now = world.late.iter().map(|late| late.0).min().unwrap_or(wake).clamp(now, wake);
            }
            world.arrivals();
        }
        let now = self.world.borrow().now;
        let awake: Vec<usize> = (0..self.actors.len()).filter(|at| self.actors[*at].tag.asleep.get() <= now).collect();
        if awake.is_empty() {
            return;
        }
        let at = awake[self.below(awake.len() as u32) as usize];
        let done = self.actors[at].future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if done {
            self.actors.swap_remove(at);
        }
    }
}
