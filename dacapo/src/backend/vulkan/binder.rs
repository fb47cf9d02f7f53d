//! What a command buffer has bound, so that nothing is bound twice.
#![allow(unsafe_code, reason = "records into a Vulkan command buffer")]

use ash::vk;
use gpu_allocator::MemoryLocation;
use gpu_allocator::vulkan::Allocation;
use smallvec::SmallVec;

use crate::backend::vulkan::encoder::buffer;
use crate::backend::vulkan::gpu::Gpu;
use crate::backend::vulkan::memory;
use crate::backend::vulkan::pipeline::ComputePipeline;
use crate::backend::{Dispatch, Refused};
use crate::encoder::MAX_BINDINGS;

/// Slots of the set layout.
const SLOTS: usize = MAX_BINDINGS + 1;
/// Sets of one descriptor pool.
const SETS: u32 = 256;
/// Bytes of one piece of constants.
const PIECE: u64 = 64 << 10;

/// A buffer's bytes in a slot.
#[derive(Clone, Copy, Default, PartialEq)]
struct Slot {
    buffer: vk::Buffer,
    offset: u64,
    range: u64,
}

/// The bound state, and the memory of what is bound without push descriptors and push constants.
#[derive(Default)]
pub(super) struct Binder {
    slots: [Slot; SLOTS],
    inline: SmallVec<[u8; 64]>,
    pools: Vec<vk::DescriptorPool>,
    /// Sets taken from all pools.
    sets: u32,
    pieces: Vec<(vk::Buffer, Allocation)>,
    /// Bytes taken from all pieces.
    taken: u64,
}

impl Binder {
    /// Binds the arguments of a dispatch, as far as they differ from what is bound.
    pub(super) fn bind(
        &mut self,
        gpu: &Gpu,
        commands: vk::CommandBuffer,
        pipeline: &ComputePipeline,
        dispatch: &Dispatch<'_>,
    ) -> Result<(), Refused> {
        let mut wanted = SmallVec::<[(u32, Slot); SLOTS]>::new();
        let bindings = dispatch.kernel.interface().bindings();
        for (binding, bound) in bindings.iter().zip(dispatch.bound) {
            let slot = Slot {
                buffer: buffer(bound),
                offset: bound.range.start,
                // Kernels reach halves and bytes through whole words.
                range: bound.range.len().next_multiple_of(4),
            };
            wanted.push((binding.slot, slot));
        }
        match pipeline.inline_slot {
            Some(slot) => wanted.push((slot, self.constants(gpu, dispatch.inline)?)),
            None => self.push_constants(gpu, commands, dispatch.inline),
        }
        match &gpu.push {
            Some(push) => {
                wanted.retain(|(slot, bound)| self.slots[*slot as usize] != *bound);
                self.note(&wanted);
                with_writes(&wanted, vk::DescriptorSet::null(), |writes| {
                    let point = vk::PipelineBindPoint::COMPUTE;
                    // SAFETY: the command buffer is being recorded, and retains the buffers.
                    unsafe { push.cmd_push_descriptor_set(commands, point, gpu.layout, 0, writes) };
                });
                Ok(())
            }
            None => self.bind_set(gpu, commands, &wanted),
        }
    }

    fn note(&mut self, wanted: &[(u32, Slot)]) {
        for (slot, bound) in wanted {
            self.slots[*slot as usize] = *bound;
        }
    }

    fn push_constants(&mut self, gpu: &Gpu, commands: vk::CommandBuffer, bytes: &[u8]) {
        if self.inline.starts_with(bytes) {
            return;
        }
        self.inline.clear();
        self.inline.extend_from_slice(bytes);
        let stage = vk::ShaderStageFlags::COMPUTE;
        // SAFETY: the command buffer is being recorded, and the layout's range holds the bytes.
        unsafe {
            gpu.device
                .cmd_push_constants(commands, gpu.layout, stage, 0, bytes);
        }
    }

    /// Binds a fresh descriptor set, unless the last one has the same in the slots of this dispatch.
    fn bind_set(
        &mut self,
        gpu: &Gpu,
        commands: vk::CommandBuffer,
        wanted: &[(u32, Slot)],
    ) -> Result<(), Refused> {
        let is_bound = |(slot, bound): &(u32, Slot)| self.slots[*slot as usize] == *bound;
        if wanted.iter().all(is_bound) {
            return Ok(());
        }
        let set = self.set(gpu)?;
        with_writes(wanted, set, |writes| {
            // SAFETY: the set is fresh, and the encoder retains the buffers.
            unsafe { gpu.device.update_descriptor_sets(writes, &[]) };
        });
        self.slots = Default::default();
        self.note(wanted);
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: the command buffer is being recorded.
        unsafe {
            gpu.device
                .cmd_bind_descriptor_sets(commands, point, gpu.layout, 0, &[set], &[]);
        }
        Ok(())
    }

    fn set(&mut self, gpu: &Gpu) -> Result<vk::DescriptorSet, Refused> {
        let pool = (self.sets / SETS) as usize;
        if pool == self.pools.len() {
            let sizes = [vk::DescriptorPoolSize::default()
                .ty(vk::DescriptorType::STORAGE_BUFFER)
                .descriptor_count(SETS * gpu.features.bindings)];
            let info = vk::DescriptorPoolCreateInfo::default()
                .max_sets(SETS)
                .pool_sizes(&sizes);
            // SAFETY: the device is alive.
            let created = unsafe { gpu.device.create_descriptor_pool(&info, None) };
            let created =
                created.map_err(|error| gpu.refused("creating a descriptor pool", error))?;
            self.pools.push(created);
        }
        let layouts = [gpu.set_layout];
        let info = vk::DescriptorSetAllocateInfo::default()
            .descriptor_pool(self.pools[pool])
            .set_layouts(&layouts);
        // SAFETY: the pool has room for the set.
        let sets = unsafe { gpu.device.allocate_descriptor_sets(&info) };
        let sets = sets.map_err(|error| gpu.refused("allocating a descriptor set", error))?;
        self.sets += 1;
        Ok(sets.first().copied().unwrap_or_default())
    }

    /// Puts inline constants into memory.
    fn constants(&mut self, gpu: &Gpu, bytes: &[u8]) -> Result<Slot, Refused> {
        let align = u64::from(gpu.features.limits.min_binding_alignment);
        let range = bytes.len() as u64;
        let mut offset = self.taken.next_multiple_of(align);
        if offset % PIECE + range > PIECE {
            offset = offset.next_multiple_of(PIECE);
        }
        let piece = (offset / PIECE) as usize;
        if piece == self.pieces.len() {
            let created = memory::create(gpu, PIECE, MemoryLocation::CpuToGpu)?;
            self.pieces.push(created);
        }
        let (buffer, allocation) = &self.pieces[piece];
        let Some(start) = allocation.mapped_ptr() else {
            return Err(Refused::Other("memory for constants is not mapped".into()));
        };
        // SAFETY: the piece holds the bytes, and nothing else uses this part of it until the reset.
        unsafe {
            let target = start.cast::<u8>().add((offset % PIECE) as usize);
            target.copy_from_nonoverlapping(core::ptr::NonNull::from(bytes).cast(), bytes.len());
        }
        self.taken = offset + range;
        Ok(Slot {
            buffer: *buffer,
            offset: offset % PIECE,
            range,
        })
    }

    /// Forgets what is bound: somebody else may have bound other things.
    pub(super) fn forget(&mut self) {
        self.slots = Default::default();
        self.inline.clear();
    }

    /// Forgets everything and keeps the memory, once the device has run what uses it.
    pub(super) fn reset(&mut self, gpu: &Gpu) {
        self.forget();
        self.sets = 0;
        self.taken = 0;
        for pool in &self.pools {
            let flags = vk::DescriptorPoolResetFlags::empty();
            // Cannot fail, by the specification.
            // SAFETY: the device has run what uses the sets.
            let _ = unsafe { gpu.device.reset_descriptor_pool(*pool, flags) };
        }
    }

    /// Gives the memory back; the device has run what uses it.
    pub(super) fn destroy(&mut self, gpu: &Gpu) {
        for pool in self.pools.drain(..) {
            // SAFETY: nothing uses the sets any more.
            unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
        }
        for (buffer, allocation) in self.pieces.drain(..) {
            // SAFETY: nothing uses the constants any more.
            unsafe { memory::destroy(gpu, buffer, allocation) };
        }
    }
}

/// Describes the slots as writes, one for each run of neighbouring slots: a write of several descriptors goes
/// on with the next binding. No call for no slots.
fn with_writes(
    wanted: &[(u32, Slot)],
    set: vk::DescriptorSet,
    use_writes: impl FnOnce(&[vk::WriteDescriptorSet<'_>]),
) {
    if wanted.is_empty() {
        return;
    }
    let infos: SmallVec<[vk::DescriptorBufferInfo; SLOTS]> = wanted
        .iter()
        .map(|(_, slot)| vk::DescriptorBufferInfo {
            buffer: slot.buffer,
            offset: slot.offset,
            range: slot.range,
        })
        .collect();
    let mut writes = SmallVec::<[vk::WriteDescriptorSet<'_>; SLOTS]>::new();
    let mut first = 0;
    for end in 1..=wanted.len() {
        if end == wanted.len() || wanted[end].0 != wanted[end - 1].0 + 1 {
            writes.push(
                vk::WriteDescriptorSet::default()
                    .dst_set(set)
                    .dst_binding(wanted[first].0)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .buffer_info(&infos[first..end]),
            );
            first = end;
        }
    }
    use_writes(&writes);
}
