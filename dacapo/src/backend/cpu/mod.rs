//! The processor as a device: native kernels, run by a crew of worker threads.

mod adapter;
mod crew;
mod encoder;
mod launch;
mod memory;
mod pipeline;
mod queue;
mod scratch;
mod times;
mod workgroup;

pub(crate) use adapter::{CpuDevice, info, system_memory};
pub use workgroup::{CpuEntry, KernelFault, Workgroup};
