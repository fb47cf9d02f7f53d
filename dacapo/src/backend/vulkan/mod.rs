//! GPUs through Vulkan 1.2 or later. The loader is looked for at run time.
//!
//! Beside the files that every backend has: `instance` finds the loader and what it offers, `gpu` is an opened
//! device, `features` what it can do, `barrier` what orders commands, `staging` moves bytes to memory that the
//! host does not see, and `debug` listens to the validation layer.

mod adapter;
mod barrier;
mod binder;
mod cache;
mod clock;
mod debug;
mod encoder;
mod features;
mod frame;
mod gpu;
mod instance;
mod landing;
mod memory;
mod pipeline;
mod queue;
mod staging;
mod stopwatch;
#[cfg(test)]
mod tests;
mod timer;

pub(crate) use adapter::VulkanDevice;
pub(crate) use instance::{Candidate, enumerate};
pub(crate) use memory::buffer_of;
