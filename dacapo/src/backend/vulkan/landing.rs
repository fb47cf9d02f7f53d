//! Memory through which a launch brings bytes to the device, and takes some back.
#![allow(unsafe_code, reason = "touches mapped memory")]

use core::ptr::NonNull;
use core::slice;

use ash::vk;
use gpu_allocator::MemoryLocation;
use gpu_allocator::vulkan::Allocation;

use crate::backend::Refused;
use crate::backend::vulkan::gpu::Gpu;
use crate::backend::vulkan::memory;

/// Smallest piece of memory in bytes.
const LEAST: u64 = 256;

/// Mapped memory that grows with what passes through it.
pub(super) struct Landing {
    location: MemoryLocation,
    memory: Option<Mapped>,
}

struct Mapped {
    buffer: vk::Buffer,
    allocation: Allocation,
    start: NonNull<u8>,
    size: u64,
}

// SAFETY: the pointer is to mapped memory that the value owns.
unsafe impl Send for Mapped {}
// SAFETY: as above; it is written through exclusive references only.
unsafe impl Sync for Mapped {}

impl Landing {
    pub(super) fn new(location: MemoryLocation) -> Landing {
        Landing {
            location,
            memory: None,
        }
    }

    /// A buffer of at least `len` bytes, and whether it is another one than before. The device has stopped using the
    /// one before.
    pub(super) fn reserve(&mut self, gpu: &Gpu, len: u64) -> Result<(vk::Buffer, bool), Refused> {
        if let Some(memory) = self.memory.as_ref().filter(|memory| memory.size >= len) {
            return Ok((memory.buffer, false));
        }
        let size = len.max(LEAST).next_power_of_two();
        let (buffer, allocation) = memory::create(gpu, size, self.location)?;
        let Some(start) = allocation.mapped_ptr() else {
            // SAFETY: nothing uses it.
            unsafe { memory::destroy(gpu, buffer, allocation) };
            return Err(Refused::Other("memory for a launch is not mapped".into()));
        };
        // SAFETY: the caller promises it.
        unsafe { self.destroy(gpu) };
        self.memory = Some(Mapped {
            buffer,
            allocation,
            start: start.cast(),
            size,
        });
        Ok((buffer, true))
    }

    /// Puts bytes at `offset`, inside what was reserved, while the device does not use the memory.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        assert!(offset + bytes.len() as u64 <= memory.size);
        // SAFETY: the memory holds the bytes, and nobody else touches it.
        unsafe {
            let target = memory.start.add(offset as usize);
            target.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
    }

    /// The first `len` bytes, once the device has written them.
    pub(super) fn bytes(&self, len: u64) -> &[u8] {
        match &self.memory {
            // SAFETY: the memory holds the bytes, which the device has stopped writing.
            Some(memory) if len <= memory.size => unsafe {
                slice::from_raw_parts(memory.start.as_ptr(), len as usize)
            },
            _ => &[],
        }
    }

    /// # Safety
    /// The device has stopped using the memory.
    pub(super) unsafe fn destroy(&mut self, gpu: &Gpu) {
        if let Some(memory) = self.memory.take() {
            // SAFETY: the caller promises it.
            unsafe { memory::destroy(gpu, memory.buffer, memory.allocation) };
        }
    }
}
