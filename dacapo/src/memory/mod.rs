//! Buffers, views on them, and guarded access from the host.

mod access;
mod allocation;
mod buffer;
mod host;
mod kind;
mod map;

pub(crate) use allocation::{Allocation, DeviceUse};
pub use buffer::{Buffer, BufferOptions, BufferView};
pub(crate) use host::HostBytes;
pub use kind::MemoryKind;
pub use map::{ReadGuard, WhenBusy, WriteGuard};
