//! Profiles of what dacapo runs: where the time went, and why.
//!
//! A [`dacapo::Trace`] is what a device noted. A [`Profile`] is the same as data that can be kept, sent and compared, and
//! an [`Analysis`] is what it means. [`html`] shows both on one page, and [`write_trace_events`] writes what viewers of
//! traces load.

pub mod analysis;
pub mod compare;
mod convert;
mod device_key;
mod error;
mod json;
mod lanes;
mod page;
mod peaks;
mod profile;
mod prometheus;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema;
mod trace_event;
mod waves;

pub use analysis::Analysis;
pub use compare::Comparison;
pub use device_key::DeviceKey;
pub use error::ProfileError;
pub use json::MAX_JSON_BYTES;
pub use page::html;
pub use peaks::{Peaks, PeaksCache, PeaksError};
pub use profile::{
    Cause, Device, Dispatch, Distortion, Fused, Kernel, Level, Profile, Span, Submission, Timed,
    VERSION,
};
pub use prometheus::{LabelError, prometheus};
pub use trace_event::write_trace_events;
