//! A writer: from its lease to the manifest.

use super::bucket::{Answer, FLIGHT, How, Key, LEASE, Op, Part, Prefix, Set};
use super::lists::{Lists, settled};
use super::rules::Rule;
use super::world::Client;

/// Why a writer does not go on.
enum Stop {
    /// Its lease may have ended: everything is looked at again.
    Lost,
    /// A chunk that it has used is gone.
    State,
}

/// A list that may be swept while the writer runs.
struct Hot {
    number: u16,
    chunks: Set,
    bad: bool,
    rescued: Set,
}

struct Writer {
    me: Client,
    /// How long it waits for its data between two chunks.
    slow: u32,
    lease: Key,
    /// The date of the lease's last renewal that was answered.
    renewed: u32,
    hot: Vec<Hot>,
    /// Lists that it knows go up to this one.
    newest: u16,
    /// The generation that its own look at the lists has given.
    generation: u16,
    /// Chunks whose markers are not believed.
    doubt: Set,
    /// Chunks that it has put itself, and has found.
    own: Set,
    /// Chunks of the snapshot it is based on, whose data it would have to read.
    base: Set,
    /// Those of them that are believed for the snapshot's sake.
    vouched: Set,
    used: Set,
}

/// Makes a snapshot of `wanted`, perhaps based on an earlier one.
pub(crate) async fn writer(me: Client, wanted: Set, base: Option<(u16, Set)>) {
    let mut writer = Writer {
        slow: if me.often(100) { 1 + me.below(5) } else { 0 },
        lease: Key::Lease(0, 0),
        me,
        renewed: 0,
        hot: Vec::new(),
        newest: 0,
        generation: 0,
        doubt: 0,
        own: 0,
        base: 0,
        vouched: 0,
        used: 0,
    };
    if writer.me.has(Rule::LeaseBeforeLists) {
        writer.take_lease().await;
        writer.read_lists().await;
    } else {
        writer.read_lists().await;
        writer.take_lease().await;
    }
    let mut wanted = wanted;
    if let Some((name, chunks)) = base {
        writer.base = chunks;
        wanted |= chunks;
        if !writer.me.has(Rule::MarkersForBase) && writer.me.get(Key::Manifest(name)).await.is_some() {
            writer.vouched = chunks;
        }
    }
    if writer.me.often(150) {
        writer.relist().await;
    }
    while let Err(stop) = writer.run(wanted).await {
        if matches!(stop, Stop::State) {
            writer.me.delete(writer.lease).await;
            return;
        }
        while let Err(stop) = writer.recover().await {
            if matches!(stop, Stop::State) {
                writer.me.delete(writer.lease).await;
                return;
            }
        }
    }
}

impl Writer {
    async fn take_lease(&mut self) {
        loop {
            let date = self.me.date();
            self.lease = Key::Lease(date, self.me.new_id());
            if let Answer::Done = self.me.put(self.lease, 1, How::Replace).await {
                self.renewed = date;
                return;
            }
        }
    }

    async fn read_lists(&mut self) {
        let (hot, lists) = Lists::read(&self.me).await;
        self.hot = Vec::new();
        for list in hot {
            self.hot.push(Hot { number: list.number, chunks: list.chunks, bad: list.bad, rescued: 0 });
        }
        self.newest = lists.newest;
        self.generation = lists.generation;
        self.doubt = if self.me.has(Rule::Doubt) { lists.doubt } else { 0 };
    }

    /// How long before its end a lease is not relied on.
    fn margin(&self) -> u32 {
        if self.me.has(Rule::LeaseMargin) { FLIGHT } else { 0 }
    }

    /// Renews the lease when it is time. Errors: `Lost`.
    async fn keep(&mut self) -> Result<(), Stop> {
        let date = self.me.date();
        if date < self.renewed + LEASE / 4 {
            return Ok(());
        }
        let rule = self.me.has(Rule::LostLease);
        if rule && date + self.margin() >= self.renewed + LEASE {
            return Err(Stop::Lost);
        }
        let op = Op::Put { key: self.lease, data: 1, tag: 0, how: How::Replace };
        if let Answer::Done = self.me.send(date, op).await {
            self.renewed = date;
        } else if !rule {
            self.renewed = self.renewed.max(date.saturating_sub(LEASE / 4));
        }
        Ok(())
    }

    async fn run(&mut self, wanted: Set) -> Result<(), Stop> {
        for chunk in 0..Set::BITS as u8 {
            if wanted & !self.used & 1 << chunk != 0 {
                self.use_chunk(chunk).await?;
                for _ in 0..self.slow {
                    self.me.sleep(LEASE / 3).await;
                    self.keep().await?;
                }
            }
        }
        self.commit().await
    }

    /// After a lease is lost: a new one, and all that was used is looked at again.
    async fn recover(&mut self) -> Result<(), Stop> {
        self.take_lease().await;
        self.read_lists().await;
        self.own = 0;
        self.vouched = 0;
        for chunk in 0..Set::BITS as u8 {
            if self.used & 1 << chunk != 0 {
                self.clear(chunk).await?;
            }
        }
        self.own = self.used & self.there().await;
        if self.own == self.used { Ok(()) } else { Err(Stop::State) }
    }

    async fn use_chunk(&mut self, chunk: u8) -> Result<(), Stop> {
        let bit: Set = 1 << chunk;
        self.keep().await?;
        if self.me.has(Rule::Condemned) && (self.base & bit == 0 || self.me.has(Rule::ReusedIsLookedUp)) {
            self.clear(chunk).await?;
        }
        let marked = self.me.world.borrow().machines[self.me.machine].markers & !self.doubt;
        if (self.own | self.vouched | marked) & bit == 0 {
            while !matches!(self.me.put(Key::Chunk(chunk), 1, How::New).await, Answer::Done | Answer::Exists) {
                self.keep().await?;
            }
            self.own |= bit;
            self.mark(bit).await;
        }
        self.used |= bit;
        Ok(())
    }

    /// Makes markers, unless lists have been applied since this writer has looked at them.
    async fn mark(&self, chunks: Set) {
        if self.me.often(30) {
            self.me.sleep(self.me.below(2 * LEASE)).await;
        }
        self.me.pause().await;
        let mut world = self.me.world.borrow_mut();
        let rule = world.without != Some(Rule::MarkerGeneration);
        let machine = &mut world.machines[self.me.machine];
        if !rule || machine.generation == self.generation {
            machine.markers |= chunks;
        }
    }

    /// Makes markers of all chunks that there are, for a directory that has lost its own.
    async fn relist(&mut self) {
        let mut there = self.there().await;
        if self.me.has(Rule::ListedUnlessHot) {
            there &= self.hot.iter().fold(Set::MAX, |set, list| set & !list.chunks);
        }
        self.mark(there).await;
    }

    async fn there(&self) -> Set {
        let (listed, _) = self.me.list(Prefix::Chunks).await;
        listed.iter().fold(0, |set, (key, _)| if let Key::Chunk(n) = key { set | 1 << n } else { set })
    }

    /// Makes sure that no list that is known takes the chunk away: by a rescue, or by waiting for the list's end, after
    /// which it is not believed to be there.
    async fn clear(&mut self, chunk: u8) -> Result<(), Stop> {
        let bit: Set = 1 << chunk;
        while let Some(at) = self.hot.iter().position(|list| list.chunks & !list.rescued & bit != 0) {
            if !self.hot[at].bad && self.rescue(at, chunk).await? {
                self.hot[at].rescued |= bit;
                continue;
            }
            if self.me.has(Rule::WaitForDone) {
                self.wait_for(self.hot[at].number).await?;
            }
            let list = self.hot.remove(at);
            self.doubt |= list.chunks & !list.rescued;
            self.own &= !list.chunks | list.rescued;
            self.vouched &= !list.chunks | list.rescued;
        }
        Ok(())
    }

    /// Gives whether the chunk is spared by the collector of this list.
    async fn rescue(&mut self, at: usize, chunk: u8) -> Result<bool, Stop> {
        let number = self.hot[at].number;
        let key = Key::Rescue(number, self.me.id, chunk);
        if !self.me.has(Rule::RescueBeforeLook) && !self.unswept(number).await {
            return Ok(false);
        }
        if self.me.has(Rule::Rescue) {
            while !matches!(self.me.put(key, 1 << chunk, How::Replace).await, Answer::Done) {
                self.keep().await?;
            }
        }
        let look = self.me.has(Rule::LookForSweep) && self.me.has(Rule::RescueBeforeLook);
        Ok(!look || self.unswept(number).await)
    }

    async fn unswept(&self, number: u16) -> bool {
        self.me.get(Key::Gc(number, Part::Sweep)).await.is_none()
    }

    async fn wait_for(&mut self, number: u16) -> Result<(), Stop> {
        loop {
            let (parts, now) = self.me.list(Prefix::List(number)).await;
            if settled(&self.me, number, &parts, now) {
                return Ok(());
            }
            self.me.sleep(4).await;
            self.keep().await?;
        }
    }

    /// Puts the manifest when nothing speaks against it.
    async fn commit(&mut self) -> Result<(), Stop> {
        loop {
            self.keep().await?;
            let date = self.me.date();
            if self.me.has(Rule::LookForBad) && self.meets_bad().await? {
                continue;
            }
            if self.me.has(Rule::LostLease) && date + self.margin() >= self.renewed + LEASE {
                return Err(Stop::Lost);
            }
            let mut date = date;
            if !self.me.has(Rule::DateBeforeLook) {
                self.me.pause().await;
                date = self.me.date();
            }
            let op = Op::Put { key: Key::Manifest(self.me.id), data: self.used, tag: 0, how: How::New };
            match self.me.send(date, op).await {
                Answer::Done | Answer::Exists => {
                    self.me.delete(self.lease).await;
                    return Ok(());
                }
                Answer::Lost if self.me.often(500) => {
                    if !self.me.has(Rule::KeepLease) {
                        self.me.delete(self.lease).await;
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Looks for lists of bad chunks that are new. Gives whether one has chunks that were used; they are there after
    /// it. Errors: `State` if not.
    async fn meets_bad(&mut self) -> Result<bool, Stop> {
        let (entries, _) = self.me.list(Prefix::Control).await;
        let mut met = false;
        for (key, object) in entries {
            let Key::Gc(number, Part::Bad) = key else { continue };
            if number <= self.newest || object.data & self.used == 0 || self.hot.iter().any(|h| h.number == number) {
                continue;
            }
            met = true;
            self.wait_for(number).await?;
            for chunk in (0..Set::BITS as u8).filter(|chunk| object.data & self.used & 1 << chunk != 0) {
                if self.me.get(Key::Chunk(chunk)).await.is_none() {
                    return Err(Stop::State);
                }
            }
            self.newest = self.newest.max(number);
        }
        Ok(met)
    }
}
