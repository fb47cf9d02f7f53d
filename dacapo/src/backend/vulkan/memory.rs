#![allow(unsafe_code, reason = "creates and destroys Vulkan buffers")]

use core::any::Any;
use core::ptr::NonNull;
use std::sync::Arc;

use ash::vk;
use gpu_allocator::MemoryLocation;
use gpu_allocator::vulkan::{Allocation, AllocationCreateDesc, AllocationScheme};

use crate::backend::vulkan::gpu::Gpu;
use crate::backend::{self, Refused};
use crate::memory::{BufferView, MemoryKind};

/// Allocations from this size on have device memory of their own, whose residency can be set.
const DEDICATED: u64 = 32 << 20;

/// A buffer and its memory.
pub(super) struct VulkanMemory {
    gpu: Arc<Gpu>,
    pub(super) buffer: vk::Buffer,
    /// `None` for a buffer that somebody else made.
    allocation: Option<Allocation>,
}

impl VulkanMemory {
    /// A buffer with undefined contents.
    pub(super) fn new(
        gpu: &Arc<Gpu>,
        size: u64,
        kind: MemoryKind,
    ) -> Result<VulkanMemory, Refused> {
        gpu.alive()?;
        let limit = gpu.features.max_buffer_size;
        if size > limit {
            let text = format!("the device's largest buffer has {limit} bytes");
            return Err(Refused::OutOfMemory(text.into()));
        }
        let location = match kind {
            MemoryKind::DeviceLocal if !gpu.features.mapped_device_memory => {
                MemoryLocation::GpuOnly
            }
            MemoryKind::DeviceLocal | MemoryKind::HostVisible | MemoryKind::Unified => {
                MemoryLocation::CpuToGpu
            }
            MemoryKind::HostCached => MemoryLocation::GpuToCpu,
        };
        let (buffer, allocation) = create(gpu, size, location)?;
        Ok(VulkanMemory {
            gpu: gpu.clone(),
            buffer,
            allocation: Some(allocation),
        })
    }

    /// A buffer that somebody else made and destroys.
    pub(super) fn foreign(gpu: &Arc<Gpu>, buffer: vk::Buffer) -> VulkanMemory {
        VulkanMemory {
            gpu: gpu.clone(),
            buffer,
            allocation: None,
        }
    }
}

/// The buffer that a view is part of, if it is one of this backend's.
pub(crate) fn buffer_of(view: &BufferView) -> Option<vk::Buffer> {
    let memory: &dyn Any = &*view.allocation.memory;
    Some(memory.downcast_ref::<VulkanMemory>()?.buffer)
}

/// A buffer bound to fresh memory.
pub(super) fn create(
    gpu: &Gpu,
    size: u64,
    location: MemoryLocation,
) -> Result<(vk::Buffer, Allocation), Refused> {
    let info = vk::BufferCreateInfo::default()
        .size(size.next_multiple_of(4))
        .usage(
            vk::BufferUsageFlags::STORAGE_BUFFER
                | vk::BufferUsageFlags::INDIRECT_BUFFER
                | vk::BufferUsageFlags::TRANSFER_SRC
                | vk::BufferUsageFlags::TRANSFER_DST,
        )
        .sharing_mode(vk::SharingMode::EXCLUSIVE);
    // SAFETY: the device is alive.
    let buffer = unsafe { gpu.device.create_buffer(&info, None) };
    let buffer = buffer.map_err(|error| gpu.refused("creating a buffer", error))?;
    // SAFETY: the buffer was just created.
    let requirements = unsafe { gpu.device.get_buffer_memory_requirements(buffer) };
    let allocation_scheme = match size >= DEDICATED {
        true => AllocationScheme::DedicatedBuffer(buffer),
        false => AllocationScheme::GpuAllocatorManaged,
    };
    let wanted = AllocationCreateDesc {
        name: "",
        requirements,
        location,
        linear: true,
        allocation_scheme,
    };
    let mut allocator = gpu.allocator.lock();
    let allocated = match allocator.as_mut() {
        Some(allocator) => allocator
            .allocate(&wanted)
            .map_err(|error| error.to_string()),
        None => Err("the device is closing".to_owned()),
    };
    drop(allocator);
    let bound = allocated
        .map_err(|text| Refused::OutOfMemory(text.into()))
        .and_then(|allocation| {
            // SAFETY: buffer and memory are fresh, and the memory suits the buffer.
            let bound = unsafe {
                gpu.device
                    .bind_buffer_memory(buffer, allocation.memory(), allocation.offset())
            };
            match bound {
                Ok(()) => Ok(allocation),
                Err(error) => {
                    free(gpu, allocation);
                    Err(gpu.refused("binding memory", error))
                }
            }
        });
    match bound {
        Ok(allocation) => Ok((buffer, allocation)),
        Err(refused) => {
            // SAFETY: nothing uses the buffer.
            unsafe { gpu.device.destroy_buffer(buffer, None) };
            Err(refused)
        }
    }
}

/// Destroys what [`create`] made.
///
/// # Safety
/// Nothing uses the buffer any more.
pub(super) unsafe fn destroy(gpu: &Gpu, buffer: vk::Buffer, allocation: Allocation) {
    // SAFETY: the caller promises it.
    unsafe { gpu.device.destroy_buffer(buffer, None) };
    free(gpu, allocation);
}

fn free(gpu: &Gpu, allocation: Allocation) {
    if let Some(allocator) = gpu.allocator.lock().as_mut()
        && let Err(error) = allocator.free(allocation)
    {
        tracing::error!(%error, "device memory could not be freed");
    }
}

impl backend::Memory for VulkanMemory {
    fn host(&self) -> Option<NonNull<u8>> {
        self.allocation.as_ref()?.mapped_ptr().map(NonNull::cast)
    }

    fn reads_slowly(&self) -> bool {
        self.allocation.as_ref().is_some_and(|allocation| {
            !allocation
                .memory_properties()
                .contains(vk::MemoryPropertyFlags::HOST_CACHED)
        })
    }

    fn set_resident(&self, resident: bool) {
        let (Some(pageable), Some(allocation)) = (&self.gpu.pageable, &self.allocation) else {
            return;
        };
        if allocation.is_dedicated() {
            /// What memory has when nobody says anything (VK_EXT_memory_priority).
            const USUAL: f32 = 0.5;
            let priority = if resident { 1.0 } else { USUAL };
            // SAFETY: the memory is alive, and belongs to this allocation alone.
            unsafe {
                (pageable.fp().set_device_memory_priority_ext)(
                    self.gpu.device.handle(),
                    allocation.memory(),
                    priority,
                );
            }
        }
    }
}

impl Drop for VulkanMemory {
    fn drop(&mut self) {
        if let Some(allocation) = self.allocation.take() {
            // SAFETY: submissions hold the allocation until they have completed, so none uses it.
            unsafe { destroy(&self.gpu, self.buffer, allocation) };
        }
    }
}
