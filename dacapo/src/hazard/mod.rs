//! When a dispatch must wait for the ones before it.
//!
//! Dispatches run concurrently until a barrier. A new dispatch needs a barrier before it exactly when
//! it touches a byte that a dispatch since the last barrier touched, and at least one of the two
//! writes it. [`HazardTracker`] answers that question, and says why.

mod arena;
mod chunk;
mod interval_map;
mod kind;
#[cfg(test)]
mod tests;
mod tracker;

pub use crate::Access;
pub use kind::{AllocationId, Hazard, HazardKind, RangeAccess};
pub use tracker::HazardTracker;
