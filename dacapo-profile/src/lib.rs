//! Profiles of what dacapo runs: where the time went, and why.
//!
//! A [`dacapo::Trace`] is what a device noted. A [`Profile`] is the same as data that can be kept, sent and compared, and
//! an [`Analysis`] is what it means.

pub mod analysis;
mod lanes;
mod page;
mod peaks;
mod profile;
mod trace_event;
mod waves;

pub use analysis::Analysis;
pub use page::html;
pub use peaks::Peaks;
pub use profile::{
    Cause, Device, Dispatch, Distortion, Fused, Kernel, Level, Profile, Span, Submission, VERSION,
};
pub use trace_event::write_trace_events;
