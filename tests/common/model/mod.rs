//! A model of the protocol by which several machines share one store on object storage (docs/shared.md).
//!
//! Every request is one step on a bucket; between any two steps of an actor the others may do theirs.

mod bucket;
mod collector;
mod lists;
pub(crate) mod rules;
pub(crate) mod schedule;
mod tree;
mod world;
mod writer;
