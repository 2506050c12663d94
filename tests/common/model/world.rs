//! What actors share: the bucket with the requests that are still on their way, machines, and the look for losses.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::bucket::{Answer, Bucket, FLIGHT, How, Key, Object, Op, Prefix, Set};
use super::rules::Rule;

/// splitmix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 33) as u32 % bound
    }

    /// True this often in a thousand.
    pub(crate) fn often(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }
}

/// The directory of a machine.
#[derive(Default, Clone)]
pub(crate) struct Machine {
    pub(crate) markers: Set,
    /// The list up to which all have been applied to the markers.
    pub(crate) generation: u16,
    /// What its own clock is ahead of the server's.
    pub(crate) skew: i32,
    /// Snapshots as they were when the mirror was last refreshed.
    pub(crate) mirror: Vec<(u16, Set)>,
}

/// How often things go wrong, in a thousand; drawn anew for each schedule.
#[derive(Default, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) crash: u32,
    pub(crate) pause: u32,
    pub(crate) slow: u32,
    pub(crate) lost: u32,
    pub(crate) twice: u32,
    pub(crate) rot: u32,
    pub(crate) chunks: u32,
    pub(crate) tick: u32,
}

pub(crate) struct World {
    /// The rule that is left out.
    pub(crate) without: Option<Rule>,
    pub(crate) rng: Rng,
    pub(crate) now: u32,
    pub(crate) bucket: Bucket,
    pub(crate) machines: Vec<Machine>,
    pub(crate) weather: Weather,
    /// Requests on their way: when they arrive, whose they are, date, what they ask.
    pub(crate) late: Vec<(u32, u16, u32, Op)>,
    /// Of every snapshot that was ever sent: its chunks, and those it may lack since they were bad.
    pub(crate) sent: BTreeMap<u16, (Set, Set)>,
    pub(crate) next_id: u16,
    pub(crate) loss: Option<String>,
    /// Whether every request is printed.
    pub(crate) told: bool,
}

impl World {
    /// A request of `who` arrives.
    pub(crate) fn serve(&mut self, who: u16, date: u32, op: Op) -> Answer {
        let answer = self.bucket.serve(self.now, date, op);
        if self.told {
            println!("{:5} actor {who:3}, dated {date}: {op:?} -> {answer:?}", self.now);
        }
        if let (Op::Put { key: Key::Manifest(name), .. }, Answer::Done) = (op, &answer) {
            let bad = self.chunks(|object| object.data == 0);
            self.sent.get_mut(&name).expect("was sent").1 |= bad;
        }
        if matches!(op, Op::Put { key: Key::Manifest(_), .. } | Op::Delete(Key::Chunk(_))) {
            self.look_for_loss();
        }
        answer
    }

    /// Chunks of the bucket that are so.
    pub(crate) fn chunks(&self, so: impl Fn(&Object) -> bool) -> Set {
        let all = self.bucket.0.iter().filter(|(_, object)| so(object));
        all.fold(0, |set, (key, _)| if let Key::Chunk(chunk) = key { set | 1 << chunk } else { set })
    }

    /// Chunks that snapshots need.
    pub(crate) fn live(&self) -> Set {
        let all = self.bucket.0.iter();
        all.fold(0, |set, (key, object)| if matches!(key, Key::Manifest(_)) { set | object.data } else { set })
    }

    fn look_for_loss(&mut self) {
        let there = self.chunks(|_| true);
        for (key, object) in &self.bucket.0 {
            if let Key::Manifest(name) = key {
                let lacks = object.data & !there & !self.sent[name].1;
                if lacks != 0 && self.loss.is_none() {
                    self.loss = Some(format!("at {}: snapshot {name} lacks chunks {lacks:#b}", self.now));
                }
            }
        }
    }

    /// A chunk becomes bad. Whatever was sent with it before may lack it.
    pub(crate) fn rot(&mut self, chunk: u8) {
        if let Some(object) = self.bucket.0.get_mut(&Key::Chunk(chunk)) {
            object.data = 0;
            for (chunks, bad) in self.sent.values_mut() {
                *bad |= *chunks & 1 << chunk;
            }
        }
    }

    /// What was on its way arrives.
    pub(crate) fn arrivals(&mut self) {
        let mut at = 0;
        while at < self.late.len() {
            if self.late[at].0 <= self.now {
                let (_, who, date, op) = self.late.swap_remove(at);
                self.serve(who, date, op);
            } else {
                at += 1;
            }
        }
    }
}

/// What the schedule knows of an actor.
#[derive(Default)]
pub(crate) struct Tag {
    /// It does nothing before this time.
    pub(crate) asleep: Cell<u32>,
    /// Its clock is so much behind the server's time: it stood still in a pause.
    pub(crate) behind: Cell<u32>,
}

/// One actor's way to the bucket.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) tag: Rc<Tag>,
    pub(crate) machine: usize,
    pub(crate) id: u16,
}

/// Anything may happen meanwhile.
pub(crate) struct Pause(bool);

impl Future for Pause {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Client {
    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.world.borrow().without != Some(rule)
    }

    pub(crate) fn pause(&self) -> Pause {
        Pause(false)
    }

    /// Does nothing for this time.
    pub(crate) fn sleep(&self, ticks: u32) -> Pause {
        self.tag.asleep.set(self.world.borrow().now + ticks);
        Pause(false)
    }

    pub(crate) fn below(&self, bound: u32) -> u32 {
        self.world.borrow_mut().rng.below(bound)
    }

    pub(crate) fn often(&self, per_mille: u32) -> bool {
        self.world.borrow_mut().rng.often(per_mille)
    }

    pub(crate) fn new_id(&self) -> u16 {
        let mut world = self.world.borrow_mut();
        world.next_id += 1;
        world.next_id
    }

    /// The date of a request that is made now: the server's time as it was last told, and what has passed since by a
    /// clock that may stand still. So it is never ahead.
    pub(crate) fn date(&self) -> u32 {
        let world = self.world.borrow();
        let date = world.now.saturating_sub(self.tag.behind.get());
        if world.without == Some(Rule::ServerDates) {
            return date.saturating_add_signed(world.machines[self.machine].skew);
        }
        date
    }

    /// Sends a request with this date, and waits for its answer.
    pub(crate) async fn send(&self, date: u32, op: Op) -> Answer {
        let slow = self.world.borrow().weather.slow;
        if self.often(slow) {
            self.sleep(self.below(FLIGHT)).await;
        } else {
            self.pause().await;
        }
        let again = {
            let mut world = self.world.borrow_mut();
            let weather = world.weather;
            let changes = matches!(op, Op::Put { .. } | Op::Delete(_));
            if let Op::Put { key: Key::Manifest(name), data, .. } = op {
                world.sent.entry(name).or_insert((data, 0));
            }
            let arrival = world.now + world.rng.below(FLIGHT + 4);
            if world.rng.often(weather.lost) {
                if changes && world.rng.often(700) {
                    world.late.push((arrival, self.id, date, op));
                }
                return Answer::Lost;
            }
            if changes && world.rng.often(weather.twice) {
                world.late.push((arrival, self.id, date, op));
            }
            world.rng.often(250)
        };
        let answer = self.world.borrow_mut().serve(self.id, date, op);
        self.tag.behind.set(0);
        if again {
            self.pause().await;
        }
        answer
    }

    pub(crate) async fn put(&self, key: Key, data: Set, how: How) -> Answer {
        self.send(self.date(), Op::Put { key, data, tag: 0, how }).await
    }

    pub(crate) async fn delete(&self, key: Key) -> Answer {
        self.send(self.date(), Op::Delete(key)).await
    }

    /// Reads are repeated until there is an answer.
    pub(crate) async fn get(&self, key: Key) -> Option<Object> {
        loop {
            if let Answer::Found(object) = self.send(self.date(), Op::Get(key)).await {
                return object;
            }
        }
    }

    /// All pages, and the server's time of the first.
    pub(crate) async fn list(&self, prefix: Prefix) -> (Vec<(Key, Object)>, u32) {
        let (mut all, mut first, mut after) = (Vec::new(), None, None);
        loop {
            if let Answer::Page(page, more, now) = self.send(self.date(), Op::List(prefix, after)).await {
                all.extend(page);
                let now = *first.get_or_insert(now);
                after = all.last().map(|(key, _)| *key);
                if !more {
                    return (all, now);
                }
            }
        }
    }
}
