//! Bytes on their way between the host and memory that the host does not see: through two pieces of staging
//! memory, so that the device copies one while the host copies the other.
#![allow(unsafe_code, reason = "records copies and touches mapped memory")]

use core::ptr::NonNull;

use ash::vk;
use gpu_allocator::MemoryLocation;
use gpu_allocator::vulkan::Allocation;

use crate::backend::Refused;
use crate::backend::vulkan::barrier::{self, Stages};
use crate::backend::vulkan::gpu::Gpu;
use crate::backend::vulkan::memory;

/// Bytes of one piece.
const PIECE: usize = 8 << 20;

/// Two lanes that take turns. Used under a lock, by one transfer at a time; idle between transfers.
pub(super) struct Staging {
    pool: vk::CommandPool,
    lanes: [Lane; 2],
}

/// Staging memory, and the commands that copy to or from it.
struct Lane {
    commands: vk::CommandBuffer,
    fence: vk::Fence,
    buffer: vk::Buffer,
    allocation: Option<Allocation>,
    host: NonNull<u8>,
    busy: bool,
}

// SAFETY: the pointer is to mapped memory that the lane owns.
unsafe impl Send for Lane {}

impl Gpu {
    /// Copies `bytes` to `offset` of `target`, after everything submitted before.
    pub(super) fn upload(
        &self,
        target: vk::Buffer,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        self.with_staging(|staging| {
            for (number, piece) in bytes.chunks(PIECE).enumerate() {
                let lane = &mut staging.lanes[number % 2];
                lane.wait(self)?;
                // SAFETY: the piece fits the lane's memory, which the device has stopped using.
                unsafe {
                    lane.host
                        .copy_from_nonoverlapping(NonNull::from(piece).cast(), piece.len())
                };
                let region = vk::BufferCopy {
                    src_offset: 0,
                    dst_offset: offset + (number * PIECE) as u64,
                    size: piece.len() as u64,
                };
                let staged = lane.buffer;
                lane.submit(self, |commands| {
                    // SAFETY: both buffers hold the region.
                    unsafe {
                        self.device
                            .cmd_copy_buffer(commands, staged, target, &[region])
                    };
                })?;
            }
            Ok(())
        })
    }

    /// Copies bytes from `offset` of `source` to `bytes`, after everything submitted before.
    pub(super) fn download(
        &self,
        source: vk::Buffer,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), Refused> {
        self.with_staging(|staging| {
            let mut taken: [Option<&mut [u8]>; 2] = [None, None];
            for (number, piece) in bytes.chunks_mut(PIECE).enumerate() {
                let lane = &mut staging.lanes[number % 2];
                lane.take(self, taken[number % 2].take())?;
                let region = vk::BufferCopy {
                    src_offset: offset + (number * PIECE) as u64,
                    dst_offset: 0,
                    size: piece.len() as u64,
                };
                let staged = lane.buffer;
                lane.submit(self, |commands| {
                    // SAFETY: both buffers hold the region.
                    unsafe {
                        self.device
                            .cmd_copy_buffer(commands, source, staged, &[region])
                    };
                })?;
                taken[number % 2] = Some(piece);
            }
            for (lane, piece) in staging.lanes.iter_mut().zip(taken) {
                lane.take(self, piece)?;
            }
            Ok(())
        })
    }

    /// Sets all of `target` to zero, after everything submitted before.
    pub(super) fn clear(&self, target: vk::Buffer) -> Result<(), Refused> {
        self.with_staging(|staging| {
            staging.lanes[0].submit(self, |commands| {
                // SAFETY: the buffer is alive until the lane has been waited for.
                unsafe {
                    self.device
                        .cmd_fill_buffer(commands, target, 0, vk::WHOLE_SIZE, 0)
                };
            })
        })
    }

    /// Runs a transfer, and waits until the device has finished it.
    fn with_staging(
        &self,
        transfer: impl FnOnce(&mut Staging) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.alive()?;
        let mut slot = self.staging.lock();
        let staging = match &mut *slot {
            Some(staging) => staging,
            empty => empty.insert(Staging::new(self)?),
        };
        let transferred = transfer(staging);
        for lane in &mut staging.lanes {
            let waited = lane.wait(self);
            if transferred.is_ok() {
                waited?;
            }
        }
        transferred
    }
}

impl Staging {
    fn new(gpu: &Gpu) -> Result<Staging, Refused> {
        let info = vk::CommandPoolCreateInfo::default()
            .queue_family_index(gpu.features.family)
            .flags(vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER);
        // SAFETY: the device is alive.
        let pool = unsafe { gpu.device.create_command_pool(&info, None) };
        let pool = pool.map_err(|error| gpu.refused("creating a command pool", error))?;
        let lane = || Lane::new(gpu, pool);
        let lanes = lane().and_then(|first| match lane() {
            Ok(second) => Ok([first, second]),
            Err(refused) => {
                // SAFETY: nothing was submitted.
                unsafe { first.destroy(gpu) };
                Err(refused)
            }
        });
        match lanes {
            Ok(lanes) => Ok(Staging { pool, lanes }),
            Err(refused) => {
                // SAFETY: nothing uses the pool.
                unsafe { gpu.device.destroy_command_pool(pool, None) };
                Err(refused)
            }
        }
    }

    /// # Safety
    /// The device has stopped using the lanes.
    pub(super) unsafe fn destroy(self, gpu: &Gpu) {
        for lane in self.lanes {
            // SAFETY: the caller promises it.
            unsafe { lane.destroy(gpu) };
        }
        // SAFETY: as above.
        unsafe { gpu.device.destroy_command_pool(self.pool, None) };
    }
}

impl Lane {
    fn new(gpu: &Gpu, pool: vk::CommandPool) -> Result<Lane, Refused> {
        let (buffer, allocation) = memory::create(gpu, PIECE as u64, MemoryLocation::GpuToCpu)?;
        let mut lane = Lane {
            commands: vk::CommandBuffer::null(),
            fence: vk::Fence::null(),
            buffer,
            host: NonNull::dangling(),
            allocation: Some(allocation),
            busy: false,
        };
        match lane.prepare(gpu, pool) {
            Ok(()) => Ok(lane),
            Err(refused) => {
                // SAFETY: nothing was submitted.
                unsafe { lane.destroy(gpu) };
                Err(refused)
            }
        }
    }

    fn prepare(&mut self, gpu: &Gpu, pool: vk::CommandPool) -> Result<(), Refused> {
        let mapped = self.allocation.as_ref().and_then(Allocation::mapped_ptr);
        let Some(mapped) = mapped else {
            return Err(Refused::Other("staging memory is not mapped".into()));
        };
        self.host = mapped.cast();
        let info = vk::CommandBufferAllocateInfo::default()
            .command_pool(pool)
            .command_buffer_count(1);
        // SAFETY: the pool is alive.
        let commands = unsafe { gpu.device.allocate_command_buffers(&info) };
        let commands = commands.map_err(|error| gpu.refused("allocating commands", error))?;
        self.commands = commands.first().copied().unwrap_or_default();
        // SAFETY: the device is alive.
        let fence = unsafe {
            gpu.device
                .create_fence(&vk::FenceCreateInfo::default(), None)
        };
        self.fence = fence.map_err(|error| gpu.refused("creating a fence", error))?;
        Ok(())
    }

    /// # Safety
    /// The device has stopped using the lane.
    unsafe fn destroy(mut self, gpu: &Gpu) {
        // SAFETY: the caller promises it; the commands go with their pool.
        unsafe { gpu.device.destroy_fence(self.fence, None) };
        if let Some(allocation) = self.allocation.take() {
            // SAFETY: as above.
            unsafe { memory::destroy(gpu, self.buffer, allocation) };
        }
    }

    /// Submits one command, after all that was submitted before and before all that will be.
    fn submit(&mut self, gpu: &Gpu, record: impl FnOnce(vk::CommandBuffer)) -> Result<(), Refused> {
        self.wait(gpu)?;
        let commands = self.commands;
        let info = vk::CommandBufferBeginInfo::default()
            .flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        // SAFETY: the lane is idle.
        unsafe { gpu.device.begin_command_buffer(commands, &info) }
            .map_err(|error| gpu.refused("recording a copy", error))?;
        let before = Stages::COMPUTE | Stages::TRANSFER;
        barrier::record(gpu, commands, before, Stages::TRANSFER);
        record(commands);
        barrier::record(gpu, commands, Stages::TRANSFER, Stages::HOST);
        // SAFETY: recording was begun above.
        unsafe { gpu.device.end_command_buffer(commands) }
            .map_err(|error| gpu.refused("recording a copy", error))?;
        gpu.submit(&[commands], None, self.fence)?;
        self.busy = true;
        Ok(())
    }

    /// Waits until the device has finished with the lane.
    fn wait(&mut self, gpu: &Gpu) -> Result<(), Refused> {
        if !core::mem::take(&mut self.busy) {
            return Ok(());
        }
        gpu.wait_for_fence(self.fence)
    }

    /// Waits, and copies what the device has put into the lane.
    fn take(&mut self, gpu: &Gpu, target: Option<&mut [u8]>) -> Result<(), Refused> {
        self.wait(gpu)?;
        if let Some(target) = target {
            // SAFETY: the lane's memory holds a piece, and the device has stopped writing it.
            unsafe {
                self.host
                    .copy_to_nonoverlapping(NonNull::from(&mut *target).cast(), target.len())
            };
        }
        Ok(())
    }
}
