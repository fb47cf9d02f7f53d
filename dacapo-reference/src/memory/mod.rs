//! Memory under check: what it holds, which bytes anybody has written, and who touched which word.
//!
//! Kernels may race, and racing kernels must be no undefined behaviour here: whatever they touch is an atomic.

mod bytes;
mod region;
mod touch;
mod touches;
mod written;

pub use region::Region;
pub(crate) use touch::{Now, Touch};
pub(crate) use touches::{Manner, Touches};
