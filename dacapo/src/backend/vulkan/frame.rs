//! What stands around the prepared parts of a launch: the order behind earlier submissions, updates and fetches, the
//! time. Recorded when it is first needed, and again only when updates or fetch concern other bytes.
#![allow(unsafe_code, reason = "records into Vulkan command buffers")]

use std::sync::{Arc, Weak};

use ash::vk;
use gpu_allocator::MemoryLocation;

use crate::backend::vulkan::barrier::{self, Stages};
use crate::backend::vulkan::encoder::buffer;
use crate::backend::vulkan::gpu::Gpu;
#[cfg(test)]
use crate::backend::vulkan::gpu::Spoilt;
use crate::backend::vulkan::landing::Landing;
use crate::backend::vulkan::timer::Timer;
use crate::backend::{Bound, Launch, Refused};
use crate::memory::Allocation;
use crate::range::ByteRange;

/// One command buffer in front of the parts, and one behind them.
pub(super) struct Frame {
    pool: vk::CommandPool,
    opening: Side,
    closing: Side,
}

/// A command buffer that copies bytes between a landing and memory.
struct Side {
    commands: vk::CommandBuffer,
    landing: Landing,
    /// What is copied, as recorded; `None` before it is.
    recorded: Option<Vec<Place>>,
}

/// Bytes of an allocation. Remembered weakly: as long as somebody does, no other allocation is taken for it.
struct Place {
    allocation: Weak<Allocation>,
    range: ByteRange,
}

impl Place {
    fn is(&self, bound: &Bound<'_>) -> bool {
        self.range == bound.range && self.allocation.as_ptr() == Arc::as_ptr(&bound.view.allocation)
    }
}

impl Frame {
    pub(super) fn new(gpu: &Gpu) -> Result<Frame, Refused> {
        let info = vk::CommandPoolCreateInfo::default()
            .queue_family_index(gpu.features.family)
            .flags(vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER);
        // SAFETY: the device is alive.
        let pool = unsafe { gpu.device.create_command_pool(&info, None) }
            .map_err(|error| gpu.refused("creating a command pool", error))?;
        let mut frame = Frame {
            pool,
            opening: Side::new(MemoryLocation::CpuToGpu),
            closing: Side::new(MemoryLocation::GpuToCpu),
        };
        let info = vk::CommandBufferAllocateInfo::default()
            .command_pool(pool)
            .command_buffer_count(2);
        // SAFETY: the pool was just created.
        match unsafe { gpu.device.allocate_command_buffers(&info) } {
            Ok(commands) => {
                let mut commands = commands.into_iter();
                frame.opening.commands = commands.next().unwrap_or_default();
                frame.closing.commands = commands.next().unwrap_or_default();
                Ok(frame)
            }
            Err(error) => {
                // SAFETY: nothing was submitted.
                unsafe { frame.destroy(gpu) };
                Err(gpu.refused("allocating a command buffer", error))
            }
        }
    }

    /// The command buffers in front of and behind the parts of `launch`, of which the device has run the last one.
    pub(super) fn around(
        &mut self,
        gpu: &Gpu,
        timer: &mut Timer,
        launch: &Launch<'_>,
    ) -> Result<[vk::CommandBuffer; 2], Refused> {
        let Frame {
            opening, closing, ..
        } = self;
        let updates = launch.updates.iter().map(|(target, _)| target);
        opening.record(gpu, updates, |commands, staged, updates| {
            timer.begin(gpu, commands)?;
            let everything = Stages::COMPUTE | Stages::TRANSFER | Stages::INDIRECT;
            #[cfg(test)]
            let orders = !gpu.spoils(Spoilt::Submission);
            #[cfg(not(test))]
            let orders = true;
            if orders {
                barrier::record(gpu, commands, everything, everything);
            }
            let mut offset = 0;
            for target in updates.clone() {
                copy(gpu, commands, (staged, offset), place(target), target.range);
                offset += target.range.len();
            }
            if offset > 0 {
                barrier::record(gpu, commands, Stages::TRANSFER, everything);
            }
            Ok(())
        })?;
        let mut offset = 0;
        for (target, bytes) in launch.updates {
            opening.landing.put(offset, bytes);
            offset += target.range.len();
        }
        closing.record(gpu, launch.fetch.iter(), |commands, staged, mut fetch| {
            let everything = Stages::COMPUTE | Stages::TRANSFER;
            if let Some(source) = fetch.next() {
                barrier::record(gpu, commands, everything, Stages::TRANSFER);
                copy(gpu, commands, place(source), (staged, 0), source.range);
            }
            barrier::record(gpu, commands, everything, Stages::HOST);
            timer.end(gpu, commands);
            Ok(())
        })?;
        Ok([opening.commands, closing.commands])
    }

    /// The `len` bytes that the last launch has fetched, once the device has run it.
    pub(super) fn fetched(&self, len: u64) -> &[u8] {
        self.closing.landing.bytes(len)
    }

    /// # Safety
    /// The device has run the commands, or never got them.
    pub(super) unsafe fn destroy(&mut self, gpu: &Gpu) {
        // SAFETY: the caller promises it.
        unsafe {
            gpu.device.destroy_command_pool(self.pool, None);
            self.opening.landing.destroy(gpu);
            self.closing.landing.destroy(gpu);
        }
    }
}

impl Side {
    fn new(location: MemoryLocation) -> Side {
        Side {
            commands: vk::CommandBuffer::null(),
            landing: Landing::new(location),
            recorded: None,
        }
    }

    /// Records commands that copy from or to `places` and a landing for all of them, unless that is what was
    /// recorded last.
    fn record<'a, P: Iterator<Item = &'a Bound<'a>> + Clone>(
        &mut self,
        gpu: &Gpu,
        places: P,
        commands: impl FnOnce(vk::CommandBuffer, vk::Buffer, P) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let len = places.clone().map(|place| place.range.len()).sum();
        let (mut staged, mut is_new) = (vk::Buffer::null(), false);
        if len > 0 {
            (staged, is_new) = self.landing.reserve(gpu, len)?;
        }
        let same = |recorded: &Vec<Place>| {
            let mut wanted = places.clone();
            let matched = recorded
                .iter()
                .all(|place| wanted.next().is_some_and(|bound| place.is(bound)));
            matched && wanted.next().is_none()
        };
        if !is_new && self.recorded.as_ref().is_some_and(same) {
            return Ok(());
        }
        let mut recorded = self.recorded.take().unwrap_or_default();
        recorded.clear();
        let info = vk::CommandBufferBeginInfo::default();
        // SAFETY: the device has run the commands; beginning them resets them.
        unsafe { gpu.device.begin_command_buffer(self.commands, &info) }
            .map_err(|error| gpu.refused("beginning a command buffer", error))?;
        let filled = commands(self.commands, staged, places.clone());
        // SAFETY: the command buffer is being recorded.
        unsafe { gpu.device.end_command_buffer(self.commands) }
            .map_err(|error| gpu.refused("ending a command buffer", error))?;
        filled?;
        recorded.extend(places.map(|bound| Place {
            allocation: Arc::downgrade(&bound.view.allocation),
            range: bound.range,
        }));
        self.recorded = Some(recorded);
        Ok(())
    }
}

fn place(bound: &Bound<'_>) -> (vk::Buffer, u64) {
    (buffer(bound), bound.range.start)
}

fn copy(
    gpu: &Gpu,
    commands: vk::CommandBuffer,
    (source, src_offset): (vk::Buffer, u64),
    (target, dst_offset): (vk::Buffer, u64),
    range: ByteRange,
) {
    let region = vk::BufferCopy {
        src_offset,
        dst_offset,
        size: range.len(),
    };
    // SAFETY: the command buffer is being recorded, and both buffers hold the range.
    unsafe {
        gpu.device
            .cmd_copy_buffer(commands, source, target, &[region]);
    }
}
