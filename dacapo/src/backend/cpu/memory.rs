#![allow(
    unsafe_code,
    reason = "allocates zeroed memory that is shared between threads"
)]

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};

use crate::backend;
use crate::memory::HostBytes;

/// Alignment of every allocation: a cache line, and the widest vector.
pub(super) const ALIGN: usize = 64;

/// Zeroed memory of this process.
pub(super) struct CpuMemory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is owned by this value; who may touch it when is decided above the backend.
unsafe impl Send for CpuMemory {}
// SAFETY: as above.
unsafe impl Sync for CpuMemory {}

impl CpuMemory {
    /// `None` when the system has no such memory.
    pub(super) fn zeroed(size: u64) -> Option<CpuMemory> {
        let size = usize::try_from(size).ok().filter(|size| *size > 0)?;
        let layout = Layout::from_size_align(size, ALIGN).ok()?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(CpuMemory { start, layout })
    }
}

impl backend::Memory for CpuMemory {
    fn host(&self) -> Option<NonNull<u8>> {
        Some(self.start)
    }
}

impl Drop for CpuMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout and freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// Memory that somebody else owns, for reading.
pub(super) struct ImportedMemory(pub(super) HostBytes);

impl backend::Memory for ImportedMemory {
    fn host(&self) -> Option<NonNull<u8>> {
        Some(self.0.start())
    }
}
