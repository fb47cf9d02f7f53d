//! Profiles of what dacapo runs: where the time went, and why.
//!
//! A [`dacapo::Trace`] is what a device noted. A [`Profile`] is the same as data that can be kept, sent and compared.

mod peaks;
mod profile;

pub use peaks::{Peaks, PeaksCache, PeaksError};
pub use profile::{
    Cause, Device, Dispatch, Distortion, Fused, Kernel, Level, Profile, Span, Submission, VERSION,
};
