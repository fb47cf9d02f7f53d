//! Decoders: weights on a device, and sessions that turn tokens into tokens.
//!
//! [`Model::load`] puts a model's weights where the device uses them; on the CPU they stay in the mapped file.
//! A [`Session`] owns a key-value cache and the memory of one forward pass, and runs every pass as a graph of the
//! runtime, captured and planned once. Any number of sessions share one model.

mod ahead;
mod commands;
mod error;
mod forward;
mod load;
mod model;
mod passes;
mod session;
pub(crate) mod tune;
mod workspace;

pub use dacapo_ops::sample::SampleParams as Sampling;
pub use error::DecoderError;
pub use load::LoadProgress;
pub use model::Model;
pub use passes::PassOptions;
pub use session::Session;
pub use workspace::{CacheType, SessionOptions};
