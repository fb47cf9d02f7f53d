//! A runtime that turns many small GPU kernels into few submissions.

mod access;
pub mod hazard;
mod range;

pub use access::Access;
pub use range::ByteRange;
