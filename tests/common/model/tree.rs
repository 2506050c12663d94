//! Who changes snapshots that are there: removes one, or its notes.

use super::bucket::{FLIGHT, How, Op, Prefix};
use super::rules::Rule;
use super::world::Client;

/// Removes a snapshot.
pub(crate) async fn pruner(me: Client) {
    let (snapshots, now) = me.list(Prefix::Manifests).await;
    if snapshots.is_empty() {
        return;
    }
    let (key, object) = snapshots[me.below(snapshots.len() as u32) as usize];
    if object.modified + FLIGHT < now || !me.has(Rule::YoungStays) {
        me.delete(key).await;
    }
}

/// Changes the notes of a snapshot.
pub(crate) async fn noter(me: Client) {
    let (snapshots, _) = me.list(Prefix::Manifests).await;
    if snapshots.is_empty() {
        return;
    }
    let (key, _) = snapshots[me.below(snapshots.len() as u32) as usize];
    let Some(object) = me.get(key).await else { return };
    // Somebody writes them meanwhile.
    me.sleep(me.below(60)).await;
    let how = if me.has(Rule::IfMatch) { How::IfMatch(object.tag) } else { How::Replace };
    let tag = u32::from(me.new_id());
    me.send(me.date(), Op::Put { key, data: object.data, tag, how }).await;
}
