//! What every noun of the boundary is made with. In the order of the header.

pub(super) mod args;
pub(super) mod guard;
pub(super) mod handle;
pub(super) mod text;
pub mod status;
pub mod error;
pub mod callback;
