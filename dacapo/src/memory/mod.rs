//! Buffers, views on them, and guarded access from the host.

mod allocation;
mod buffer;
mod kind;
mod map;

pub(crate) use allocation::{Allocation, DeviceUse};
pub use buffer::{Buffer, BufferOptions, BufferView};
pub use kind::MemoryKind;
pub use map::{ReadGuard, WhenBusy, WriteGuard};
