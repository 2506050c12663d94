//! A collector, and who moves bad chunks away: both work under the lock, by lists.

use super::bucket::{Answer, FLIGHT, How, Key, LEASE, LOCK, Op, Part, Prefix, RETAIN, Set};
use super::rules::Rule;
use super::world::Client;

/// The lock is lost, or an answer: the next collector goes on.
struct Stop;

struct Collector {
    me: Client,
    lock: u16,
    renewed: u32,
}

/// One run of a collector. With `patience` it looks so often whether writers have ended.
pub(crate) async fn collector(me: Client, patience: u32) {
    let Some(mut collector) = Collector::lock(&me).await else { return };
    if collector.run(patience).await.is_ok() {
        collector.unlock().await;
    }
}

/// Reads all chunks, and moves the bad ones away.
pub(crate) async fn verify(me: Client) {
    let (listed, _) = me.list(Prefix::Chunks).await;
    let mut bad: Set = 0;
    for (key, _) in listed {
        if let (Key::Chunk(chunk), Some(object)) = (key, me.get(key).await) {
            bad |= Set::from(object.data == 0) << chunk;
        }
    }
    if bad == 0 {
        return;
    }
    if !me.has(Rule::BadByList) {
        for chunk in (0..Set::BITS as u8).filter(|chunk| bad & 1 << chunk != 0) {
            me.delete(Key::Chunk(chunk)).await;
        }
        return;
    }
    for _ in 0..8 {
        if let Some(mut collector) = Collector::lock(&me).await {
            if collector.move_bad(bad).await.is_ok() {
                collector.unlock().await;
            }
            return;
        }
        me.sleep(10).await;
    }
}

impl Collector {
    async fn lock(me: &Client) -> Option<Collector> {
        let (entries, now) = me.list(Prefix::Control).await;
        let locks = |entries: &[(Key, super::bucket::Object)]| {
            let all =
                entries.iter().filter_map(|(key, lock)| if let Key::Lock(n) = key { Some((*n, *lock)) } else { None });
            all.collect::<Vec<_>>()
        };
        let before = locks(&entries);
        let mut lock = 1;
        if let Some((number, object)) = before.last() {
            let over = object.data == 0 || object.modified + LOCK < now;
            if !over && me.has(Rule::LockLives) {
                return None;
            }
            lock = number + 1;
        }
        let date = me.date();
        let op = Op::Put { key: Key::Lock(lock), data: 1, tag: 0, how: How::New };
        let Answer::Done = me.send(date, op).await else { return None };
        let (entries, _) = me.list(Prefix::Control).await;
        let there = locks(&entries);
        if me.has(Rule::HighestLock) && there.last().is_none_or(|(number, _)| *number != lock) {
            return None;
        }
        for (number, _) in there.into_iter().filter(|(number, _)| *number < lock) {
            me.delete(Key::Lock(number)).await;
        }
        Some(Collector { me: me.clone(), lock, renewed: date })
    }

    async fn unlock(&mut self) {
        self.me.put(Key::Lock(self.lock), 0, How::Replace).await;
    }

    /// Sends what only the holder of the lock may.
    async fn change(&mut self, op: Op) -> Result<Answer, Stop> {
        let mut date = self.me.date();
        if !self.me.has(Rule::LookAtLock) {
            return Ok(self.me.send(date, op).await);
        }
        let margin = if self.me.has(Rule::LockMargin) { FLIGHT } else { 0 };
        if date >= self.renewed + LOCK / 4 {
            if date + margin >= self.renewed + LOCK {
                return Err(Stop);
            }
            let renewal = Op::Put { key: Key::Lock(self.lock), data: 1, tag: 0, how: How::Replace };
            if let Answer::Done = self.me.send(date, renewal).await {
                self.renewed = date;
            }
            date = self.me.date();
        }
        if date + margin >= self.renewed + LOCK {
            return Err(Stop);
        }
        if !self.me.has(Rule::DateBeforeLook) {
            self.me.pause().await;
            date = self.me.date();
        }
        Ok(self.me.send(date, op).await)
    }

    async fn put(&mut self, key: Key, data: Set) -> Result<(), Stop> {
        for _ in 0..4 {
            match self.change(Op::Put { key, data, tag: 0, how: How::New }).await? {
                Answer::Done => return Ok(()),
                Answer::Exists if matches!(key, Key::Gc(_, Part::Sweep | Part::Done)) => return Ok(()),
                Answer::Exists => return Err(Stop),
                _ => {}
            }
        }
        Err(Stop)
    }

    async fn run(&mut self, patience: u32) -> Result<(), Stop> {
        let mut pending = false;
        for (number, chunks, bad) in self.unfinished().await {
            if bad {
                self.sweep_bad(number, chunks).await?;
            } else {
                pending |= !self.finish(number, chunks, patience, None).await?;
            }
        }
        if !pending {
            self.mark(patience).await?;
        }
        self.clean().await
    }

    /// Lists that are not done: number, chunks, whether bad.
    async fn unfinished(&self) -> Vec<(u16, Set, bool)> {
        let (entries, _) = self.me.list(Prefix::Control).await;
        let done = |number| entries.iter().any(|(key, _)| *key == Key::Gc(number, Part::Done));
        let lists = entries.iter().filter_map(|(key, object)| match *key {
            Key::Gc(number, Part::List) if !done(number) => Some((number, object.data, false)),
            Key::Gc(number, Part::Bad) if !done(number) => Some((number, object.data, true)),
            _ => None,
        });
        lists.collect()
    }

    async fn next_number(&self) -> u16 {
        let (entries, _) = self.me.list(Prefix::Control).await;
        let numbers = entries.iter().filter_map(|(key, _)| if let Key::Gc(n, _) = key { Some(*n) } else { None });
        numbers.max().unwrap_or(0) + 1
    }

    /// Chunks that snapshots need, as one look at them says.
    async fn live(&self) -> Set {
        self.me.list(Prefix::Manifests).await.0.iter().fold(0, |set, (_, object)| set | object.data)
    }

    async fn mark(&mut self, patience: u32) -> Result<(), Stop> {
        let (listed, _) = self.me.list(Prefix::Chunks).await;
        let there = listed.iter().fold(0, |set, (key, _)| if let Key::Chunk(n) = key { set | 1 << n } else { set });
        let garbage = there & !self.live().await;
        if garbage == 0 {
            return Ok(());
        }
        let number = self.next_number().await;
        let early = if self.me.has(Rule::ListBeforeFence) { None } else { Some(self.leases(u32::MAX).await) };
        self.put(Key::Gc(number, Part::List), garbage).await?;
        self.finish(number, garbage, patience, early).await?;
        Ok(())
    }

    /// Leases that have not ended, of those that may have begun before the list. Removes those that have.
    async fn leases(&self, listed: u32) -> Vec<Key> {
        let (entries, now) = self.me.list(Prefix::Leases).await;
        let mut alive = Vec::new();
        for (key, object) in entries {
            if object.modified + LEASE < now {
                self.me.delete(key).await;
            } else if matches!(key, Key::Lease(date, _) if date <= listed) {
                alive.push(key);
            }
        }
        alive
    }

    /// From the list to its end. Gives false if writers are still at work.
    async fn finish(&mut self, number: u16, list: Set, patience: u32, early: Option<Vec<Key>>) -> Result<bool, Stop> {
        let (parts, _) = self.me.list(Prefix::List(number)).await;
        let Some((_, object)) = parts.iter().find(|(key, _)| *key == Key::Gc(number, Part::List)) else {
            return Err(Stop);
        };
        let listed = object.modified;
        let soon = if self.me.has(Rule::SecondLookAfterFence) { None } else { Some(self.live().await) };
        // Where the sweep has been told, the writers had ended: those that are at work now may wait for its end.
        let told = parts.iter().any(|(key, _)| *key == Key::Gc(number, Part::Sweep));
        let mut waits = 0;
        while !told && self.me.has(Rule::Fence) {
            let alive = self.leases(listed).await;
            let none = match &early {
                Some(early) => !alive.iter().any(|key| early.contains(key)),
                None => alive.is_empty(),
            };
            if none {
                break;
            }
            waits += 1;
            if waits > patience {
                return Ok(false);
            }
            self.me.sleep(6).await;
            // A lock is renewed while it waits.
            self.change(Op::Get(Key::Lock(self.lock))).await?;
        }
        let early = if self.me.has(Rule::SweepBeforeRescues) { None } else { Some(self.rescued(number).await) };
        self.put(Key::Gc(number, Part::Sweep), 0).await?;
        let rescued = match early {
            Some(rescued) => rescued,
            None => self.rescued(number).await,
        };
        let live = match soon {
            Some(live) => live,
            None if self.me.has(Rule::SecondLook) => self.live().await,
            None => 0,
        };
        self.remove(number, list & !rescued & !live).await?;
        Ok(true)
    }

    async fn rescued(&self, number: u16) -> Set {
        self.me.list(Prefix::Rescues(number)).await.0.iter().fold(0, |set, (_, object)| set | object.data)
    }

    /// Removes chunks, and says that the list is done. A chunk that could not be removed stays for the next list.
    async fn remove(&mut self, number: u16, doomed: Set) -> Result<(), Stop> {
        for chunk in (0..Set::BITS as u8).filter(|chunk| doomed & 1 << chunk != 0) {
            self.change(Op::Delete(Key::Chunk(chunk))).await?;
        }
        self.put(Key::Gc(number, Part::Done), doomed).await
    }

    async fn move_bad(&mut self, bad: Set) -> Result<(), Stop> {
        let number = self.next_number().await;
        self.put(Key::Gc(number, Part::Bad), bad).await?;
        self.sweep_bad(number, bad).await
    }

    async fn sweep_bad(&mut self, number: u16, list: Set) -> Result<(), Stop> {
        while self.me.has(Rule::BadWaits) {
            let (parts, now) = self.me.list(Prefix::List(number)).await;
            let Some((_, object)) = parts.first() else { return Err(Stop) };
            if now > object.modified + FLIGHT {
                break;
            }
            self.me.sleep(6).await;
            self.change(Op::Get(Key::Lock(self.lock))).await?;
        }
        let mut doomed = 0;
        for chunk in (0..Set::BITS as u8).filter(|chunk| list & 1 << chunk != 0) {
            let bad = self.me.get(Key::Chunk(chunk)).await.is_some_and(|object| object.data == 0);
            doomed |= Set::from(bad || !self.me.has(Rule::JudgeAgain)) << chunk;
        }
        self.remove(number, doomed).await
    }

    /// Removes leases that have ended, and lists that are old and of no use to a writer at work. The newest stays, so
    /// that numbers go on.
    async fn clean(&mut self) -> Result<(), Stop> {
        let alive = self.leases(u32::MAX).await;
        let (entries, now) = self.me.list(Prefix::Control).await;
        let newest = entries.iter().filter_map(|(key, _)| if let Key::Gc(n, _) = key { Some(*n) } else { None }).max();
        for (key, done) in &entries {
            let Key::Gc(number, Part::Done) = *key else { continue };
            if done.modified + RETAIN >= now || (Some(number) == newest && self.me.has(Rule::NewestStays)) {
                continue;
            }
            let needed = alive.iter().any(|key| matches!(key, Key::Lease(date, _) if *date <= done.modified));
            if needed && self.me.has(Rule::ListsOutliveWriters) {
                continue;
            }
            let rescues = self.me.list(Prefix::Rescues(number)).await.0;
            let mut parts = vec![Part::List, Part::Bad, Part::Sweep, Part::Done];
            if !self.me.has(Rule::ListGoesFirst) {
                parts.reverse();
            }
            for part in parts {
                let key = Key::Gc(number, part);
                if entries.iter().any(|(other, _)| *other == key) {
                    let Answer::Done = self.change(Op::Delete(key)).await? else { return Ok(()) };
                }
            }
            for (key, _) in rescues {
                self.change(Op::Delete(key)).await?;
            }
        }
        Ok(())
    }
}
