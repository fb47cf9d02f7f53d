//! What is bound while a compute encoder is open, and the checks of its calls.

use std::ffi::c_void;
use std::ptr::NonNull;

use objc2::runtime::AnyObject;
use objc2_foundation::NSRange;
use objc2_metal::{MTLResourceUsage, MTLSize};

use super::{INDIRECT, place};
use crate::checks::{self, Bound};
use crate::encoding::{Command, Executed, Pass, SLOTS, Shape};
use crate::held::{Notes, Ref};
use crate::indirect::IndirectCommandBuffer;
use crate::memory::{Buffer, Storage};
use crate::pipeline::{Pipeline, PipelineCore};
use crate::residency::lifetime_of;
use crate::rules::fail;

/// Bytes that `setBytes` takes at most.
pub(super) const MAX_BYTES: usize = 4096;

/// Calls since the encoder was made; added to the counts when it ends, because a count shared by threads is not free.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) buffers: u32,
    pub(super) offsets: u32,
    pub(super) bytes: u32,
    pub(super) pipelines: u32,
    pub(super) dispatches: u32,
    pub(super) barriers: u32,
    pub(super) uses: u32,
    pub(super) executions: u32,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) pass: Pass,
    pub(super) notes: Notes,
    pub(super) executed: Executed,
    pub(super) device: u32,
    pub(super) pipeline: Option<Ref<PipelineCore>>,
    pub(super) bound: Bound,
    pub(super) buffers: [Option<Ref<Storage>>; SLOTS],
    pub(super) threadgroup: [u32; SLOTS],
    pub(super) groups: Vec<String>,
    pub(super) tally: Tally,
}

impl State {
    pub(super) fn set_pipeline(&mut self, pipeline: &Pipeline) {
        self.tally.pipelines += 1;
        let core = pipeline.core();
        let lifetime = crate::held::Held::lifetime(&**core);
        if lifetime.device != self.device {
            fail(
                place!("setComputePipelineState:"),
                format_args!("{} was created on another device", lifetime.name()),
            );
            return;
        }
        let core = self.notes.note(core);
        self.pipeline = Some(core);
        self.pass.commands.push(Command::Pipeline(core));
    }

    pub(super) fn set_buffer(
        &mut self,
        place: &str,
        buffer: Option<&Buffer>,
        offset: usize,
        index: usize,
    ) {
        self.tally.buffers += 1;
        if !checks::slot(place, index) {
            return;
        }
        let bit = 1 << index;
        let Some(buffer) = buffer else {
            self.bound.buffers &= !bit;
            self.bound.misaligned &= !bit;
            self.buffers[index] = None;
            self.pass
                .commands
                .push(Command::Unbind { index: index as u8 });
            return;
        };
        let storage = buffer.storage();
        if !checks::binding(place, self.device, storage, offset) {
            return;
        }
        let storage = self.notes.note(storage);
        self.bind(index, storage, offset);
    }

    fn bind(&mut self, index: usize, storage: Ref<Storage>, offset: usize) {
        let bit = 1 << index;
        self.bound.buffers |= bit;
        if offset.is_multiple_of(4) {
            self.bound.misaligned &= !bit;
        } else {
            self.bound.misaligned |= bit;
        }
        self.buffers[index] = Some(storage);
        self.pass.commands.push(Command::Buffer {
            index: index as u8,
            storage,
            offset,
        });
    }

    pub(super) fn set_buffer_offset(&mut self, offset: usize, index: usize) {
        const PLACE: &str = place!("setBufferOffset:atIndex:");
        self.tally.offsets += 1;
        if !checks::slot(PLACE, index) {
            return;
        }
        let Some(storage) = self.buffers[index] else {
            fail(PLACE, format_args!("no buffer is bound at index {index}"));
            return;
        };
        if checks::binding(PLACE, self.device, &storage, offset) {
            self.bind(index, storage, offset);
        }
    }

    pub(super) fn set_bytes(&mut self, bytes: NonNull<c_void>, length: usize, index: usize) {
        const PLACE: &str = place!("setBytes:length:atIndex:");
        self.tally.bytes += 1;
        if !checks::slot(PLACE, index) {
            return;
        }
        if length == 0 {
            fail(PLACE, "length (0) must be > 0");
            return;
        }
        if length > MAX_BYTES {
            fail(
                PLACE,
                format_args!("length ({length}) must be <= {MAX_BYTES}"),
            );
            return;
        }
        let arena = &mut self.pass.bytes;
        let start = arena.len().next_multiple_of(16);
        arena.resize(start, 0);
        // SAFETY: the caller gives so many readable bytes.
        arena.extend_from_slice(unsafe {
            std::slice::from_raw_parts(bytes.cast::<u8>().as_ptr(), length)
        });
        let bit = 1 << index;
        self.bound.buffers |= bit;
        self.bound.misaligned &= !bit;
        self.buffers[index] = None;
        self.pass.commands.push(Command::Bytes {
            index: index as u8,
            start: start as u32,
            length: length as u32,
        });
    }

    pub(super) fn set_threadgroup_memory(&mut self, length: usize, index: usize) {
        if !checks::threadgroup_length(place!("setThreadgroupMemoryLength:atIndex:"), length, index)
        {
            return;
        }
        self.bound.threadgroup_bytes =
            self.bound.threadgroup_bytes - self.threadgroup[index] as usize + length;
        self.threadgroup[index] = length as u32;
        if length == 0 {
            self.bound.threadgroup &= !(1 << index);
        } else {
            self.bound.threadgroup |= 1 << index;
        }
        self.pass.commands.push(Command::ThreadgroupMemory {
            index: index as u8,
            length: length as u32,
        });
    }

    #[inline]
    pub(super) fn may_dispatch(&self, place: &str, threads_per_group: MTLSize) -> bool {
        let Some(pipeline) = &self.pipeline else {
            fail(
                place,
                "a compute pipeline state must be set before a dispatch (setComputePipelineState:)",
            );
            return false;
        };
        checks::threads(place, pipeline, threads_per_group)
            && checks::arguments(place, pipeline, self.bound)
    }

    pub(super) fn push_dispatch(&mut self, command: Command) {
        self.tally.dispatches += 1;
        self.pass.commands.push(command);
    }

    pub(super) fn dispatch_indirect(
        &mut self,
        buffer: &Buffer,
        offset: usize,
        threads_per_group: MTLSize,
    ) {
        const SIZE: usize = 12;
        let storage = buffer.storage();
        if !offset.is_multiple_of(4) {
            fail(
                INDIRECT,
                format_args!("indirectBufferOffset ({offset}) must be a multiple of 4"),
            );
        } else if offset
            .checked_add(SIZE)
            .is_none_or(|end| end > storage.length)
        {
            fail(
                INDIRECT,
                format_args!(
                    "indirectBufferOffset ({offset}) + {SIZE} must be <= buffer length ({})",
                    storage.length
                ),
            );
        } else if checks::binding(INDIRECT, self.device, storage, offset)
            && self.may_dispatch(INDIRECT, threads_per_group)
        {
            let storage = self.notes.note(storage);
            let shape = Shape::of_groups(
                MTLSize {
                    width: 1,
                    height: 1,
                    depth: 1,
                },
                threads_per_group,
            );
            self.push_dispatch(Command::DispatchIndirect {
                storage,
                offset,
                threads_per_group: shape.threads_per_group,
            });
        }
    }

    pub(super) fn use_resource(
        &mut self,
        place: &str,
        resource: &AnyObject,
        usage: MTLResourceUsage,
    ) {
        self.tally.uses += 1;
        let Some(lifetime) = lifetime_of(resource) else {
            fail(
                place,
                format_args!("{} is not a resource", resource.class()),
            );
            return;
        };
        if lifetime.device != self.device {
            fail(
                place,
                format_args!("{} was created on another device", lifetime.name()),
            );
            return;
        }
        let command = Command::Use {
            resource: lifetime.id,
            write: usage.contains(MTLResourceUsage::Write),
        };
        if let Some(buffer) = resource.downcast_ref::<Buffer>() {
            self.notes.note(buffer.storage());
        }
        self.pass.commands.push(command);
    }

    pub(super) fn execute(&mut self, commands: &IndirectCommandBuffer, range: NSRange) {
        const PLACE: &str = place!("executeCommandsInBuffer:withRange:");
        self.tally.executions += 1;
        let core = commands.core();
        if core.lifetime.device != self.device {
            fail(
                PLACE,
                format_args!("{} was created on another device", core.lifetime.name()),
            );
            return;
        }
        if range
            .location
            .checked_add(range.length)
            .is_none_or(|end| end > core.size)
        {
            fail(
                PLACE,
                format_args!(
                    "executionRange.location({}) + executionRange.length({}) must be <= the indirect command buffer's size ({})",
                    range.location, range.length, core.size
                ),
            );
            return;
        }
        let inherited = core.inherits;
        if inherited.pipeline && self.pipeline.is_none() {
            fail(
                PLACE,
                "the indirect command buffer inherits the pipeline state, and the encoder has none",
            );
            return;
        }
        self.executed.push(core.clone());
        let commands = self.notes.note(core);
        self.pass.commands.push(Command::Execute {
            commands,
            first: range.location,
            count: range.length,
        });
    }
}
