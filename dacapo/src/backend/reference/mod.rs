//! The reference interpreter as a device: it runs the WGSL form of kernels and reports what is wrong with them and with
//! the commands that run them.

mod adapter;
mod encoder;
mod launch;
mod memory;
mod pipeline;
mod queue;
mod reported;

pub(crate) use adapter::{ReferenceDevice, info};
