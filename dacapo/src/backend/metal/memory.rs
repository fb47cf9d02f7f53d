//! Allocations: every one is shared with the host.
#![allow(unsafe_code, reason = "makes buffers over memory of the host")]

use core::any::Any;
use core::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLBuffer, MTLDevice};

use crate::backend::metal::gpu::{Gpu, RESOURCES, labelled};
use crate::backend::metal::object::{Buffer, Shared};
use crate::backend::own::known;
use crate::backend::{self, Bound, Refused};
use crate::memory::HostBytes;

/// WGSL reaches bytes and halves as parts of a `u32`, and vectors of four: the last one of a view may be cut short.
const WHOLE: u64 = 16;

pub(super) struct MetalMemory {
    gpu: Arc<Gpu>,
    buffer: Buffer,
    /// Where the memory begins in the buffer.
    base: usize,
    resident: AtomicBool,
    /// Dropped after the buffer over it.
    imported: Option<HostBytes>,
}

impl MetalMemory {
    /// Zeroed memory.
    pub(super) fn new(gpu: &Arc<Gpu>, size: u64, label: &str) -> Result<MetalMemory, Refused> {
        let buffer = gpu.buffer(size.next_multiple_of(WHOLE), label)?;
        Ok(MetalMemory::with(gpu, buffer, 0, None))
    }

    /// The host's memory, where it lies. Metal takes whole pages: those around the bytes.
    pub(super) fn import(
        gpu: &Arc<Gpu>,
        bytes: HostBytes,
        label: &str,
    ) -> Result<MetalMemory, HostBytes> {
        let page = page_size();
        let start = bytes.start().as_ptr();
        let base = start.addr() % page;
        let len = (base + bytes.len() as usize).next_multiple_of(page);
        if gpu.alive().is_err() || len as u64 > gpu.features.max_buffer {
            return Err(bytes);
        }
        let Some(first) = NonNull::new(start.wrapping_sub(base)) else {
            return Err(bytes);
        };
        // SAFETY: the pages are mapped, as each holds some of the bytes, and the owner of these lives longer than
        // the buffer. Kernels only read it: it is marked read-only.
        let buffer = autoreleasepool(|_| unsafe {
            let buffer = gpu
                .device
                .newBufferWithBytesNoCopy_length_options_deallocator(
                    first.cast(),
                    len,
                    RESOURCES,
                    None,
                )?;
            Some(labelled(Shared::new(buffer), label))
        });
        let Some(buffer) = buffer else {
            return Err(bytes);
        };
        Ok(MetalMemory::with(gpu, buffer, base, Some(bytes)))
    }

    /// A buffer that somebody else has made.
    pub(super) fn foreign(gpu: &Arc<Gpu>, buffer: Buffer) -> MetalMemory {
        MetalMemory::with(gpu, buffer, 0, None)
    }

    fn with(
        gpu: &Arc<Gpu>,
        buffer: Buffer,
        base: usize,
        imported: Option<HostBytes>,
    ) -> MetalMemory {
        MetalMemory {
            gpu: gpu.clone(),
            buffer,
            base,
            resident: AtomicBool::new(false),
            imported,
        }
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        // SAFETY: the memory begins inside the buffer.
        unsafe { self.buffer.contents().cast::<u8>().add(self.base) }
    }
}

/// The buffer that a view is bound to, and where the bound range begins in it.
pub(super) fn place<'b>(bound: &Bound<'b>) -> (&'b Buffer, usize) {
    // SAFETY: the view was checked to belong to this device.
    let memory: &MetalMemory = unsafe { known(&*bound.view.allocation.memory) };
    (&memory.buffer, memory.base + bound.range.start as usize)
}

/// The buffer behind memory of this backend, and where the memory begins in it.
pub(crate) fn buffer_of(
    memory: &dyn backend::Memory,
) -> Option<(Retained<ProtocolObject<dyn MTLBuffer>>, usize)> {
    let memory: &dyn Any = memory;
    let memory = memory.downcast_ref::<MetalMemory>()?;
    Some((memory.buffer.retained(), memory.base))
}

fn page_size() -> usize {
    unsafe extern "C" {
        fn getpagesize() -> core::ffi::c_int;
    }
    // SAFETY: it has no preconditions (POSIX.1-2001).
    let size = unsafe { getpagesize() };
    usize::try_from(size).unwrap_or(4096).max(4096)
}

impl backend::Memory for MetalMemory {
    fn host(&self) -> Option<NonNull<u8>> {
        // What a lost device has left is worth nothing: asking the device says so.
        self.gpu.alive().ok()?;
        Some(self.start())
    }

    fn set_resident(&self, resident: bool) {
        if self.resident.swap(resident, Ordering::Relaxed) == resident {
            return;
        }
        autoreleasepool(|_| match resident {
            true => self.gpu.residency.include(&self.buffer),
            false => self.gpu.residency.exclude(&self.buffer),
        });
    }
}

impl Drop for MetalMemory {
    fn drop(&mut self) {
        backend::Memory::set_resident(self, false);
        if self.imported.is_some() {
            // The set holds the buffer until then, and the host's memory goes now.
            autoreleasepool(|_| self.gpu.residency.commit());
        }
    }
}
