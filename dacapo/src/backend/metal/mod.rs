//! Apple's GPUs through Metal.
//!
//! Beside the files that every backend has: `gpu` is an opened device, `features` what it can do, `call` is what
//! Metal is told of a dispatch, `pass` a compute encoder with what is bound to it, `list` prepared dispatches, `indirect`
//! the same as an indirect command buffer, `launch` what plays them, `transfer` copies and fills, `residency` the set of
//! what stays resident, and `fault` what Metal says when something fails. `clock` places the device's times on the host's
//! axis, `stopwatch` times dispatches, with pieces (`shelf`) of sample buffers (`samples`).
//!
//! Buffers are untracked by Metal. What orders dispatches within a pass is a barrier; what orders passes is one
//! fence, which each waits for at its beginning and updates at its end.

mod adapter;
mod cache;
mod call;
mod clock;
mod code;
mod encoder;
mod fault;
mod features;
mod gpu;
mod indirect;
mod launch;
mod list;
mod memory;
mod object;
mod pass;
mod pipeline;
mod queue;
mod residency;
mod samples;
mod shelf;
mod stopwatch;
mod transfer;

pub(crate) use adapter::{Candidate, MetalDevice, enumerate};
pub(crate) use fault::text;
pub(crate) use memory::buffer_of;
