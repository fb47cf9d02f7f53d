//! Runs compute kernels in WGSL on the processor, from naga's IR, and reports what is wrong with them.
//!
//! A workgroup runs in lock-step: each operation is done for all of its invocations before the next one begins, under a
//! mask that says which of them take part. Values lie in rows, one element for each invocation.
//!
//! [`Program::new`] makes a kernel ready, a [`Machine`] runs waves of [`Step`]s that bind [`Region`]s, and what is wrong
//! comes out as [`report::Reports`].

pub mod report;

mod lanes;
mod mask;
mod memory;
mod program;
mod run;

pub use memory::Region;
pub use program::{Program, Source};
pub use run::{Action, Binding, MAX_GROUPS, Machine, Order, Settings, Step, Stopped};
