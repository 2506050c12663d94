//! What a machine learns from the lists of the bucket, and what follows for its markers.

use super::bucket::{FLIGHT, Key, Object, Part, Prefix, Set};
use super::rules::Rule;
use super::world::Client;

/// A list, done or not.
#[derive(Clone, Copy)]
pub(crate) struct List {
    pub(crate) number: u16,
    pub(crate) chunks: Set,
    pub(crate) bad: bool,
}

/// What one look at the lists has given.
pub(crate) struct Lists {
    pub(crate) newest: u16,
    pub(crate) generation: u16,
    pub(crate) doubt: Set,
}

/// Whether nothing of the list can be removed any more: it was done for as long as requests are on their way, or it is
/// so old that it is no longer there.
pub(crate) fn settled(me: &Client, number: u16, parts: &[(Key, Object)], now: u32) -> bool {
    let part = |part| parts.iter().find(|(key, _)| *key == Key::Gc(number, part));
    if part(Part::List).is_none() && part(Part::Bad).is_none() {
        return true;
    }
    let rest = if me.has(Rule::Settle) { FLIGHT } else { 0 };
    part(Part::Done).is_some_and(|(_, done)| now > done.modified + rest)
}

impl Lists {
    /// Reads the lists, and applies those that are done to the machine's markers. Gives those that are not settled.
    pub(crate) async fn read(me: &Client) -> (Vec<List>, Lists) {
        let (entries, now) = me.list(Prefix::Control).await;
        let before = me.world.borrow().machines[me.machine].generation;
        let (mut hot, mut removed, mut doubt) = (Vec::new(), 0, 0);
        let mut done = Vec::new();
        let mut newest = 0;
        for (key, object) in &entries {
            let Key::Gc(number, part @ (Part::List | Part::Bad)) = *key else { continue };
            newest = newest.max(number);
            let list = List { number, chunks: object.data, bad: part == Part::Bad };
            let mark = entries.iter().find(|(key, _)| *key == Key::Gc(number, Part::Done));
            if !settled(me, number, &entries, now) {
                hot.push(list);
            }
            let Some((_, mark)) = mark else { continue };
            done.push(number);
            if number > before {
                // The list is read by a request of its own.
                me.pause().await;
                removed |= if me.has(Rule::WholeList) { list.chunks } else { mark.data };
                doubt |= list.chunks;
            }
        }
        let first = entries.iter().find_map(|(key, _)| match key {
            Key::Gc(number, Part::List | Part::Bad) => Some(*number),
            _ => None,
        });
        let gap = me.has(Rule::GapDropsAll) && first.is_some_and(|first| first > before + 1);
        let mut generation = first.map_or(before, |first| before.max(first - 1));
        while done.contains(&(generation + 1)) {
            generation += 1;
        }
        let mut world = me.world.borrow_mut();
        let apply = world.without != Some(Rule::ApplyLists);
        let machine = &mut world.machines[me.machine];
        if apply {
            machine.markers &= if gap { 0 } else { !removed };
        } else {
            doubt = 0;
        }
        machine.generation = machine.generation.max(generation);
        (hot, Lists { newest, generation, doubt })
    }
}
