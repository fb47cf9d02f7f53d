//! Lists as indirect command buffers: encoded once, and run by one command of a pass.
//!
//! Scopes are left out, since indirect commands have no labels.
#![allow(unsafe_code, reason = "encodes indirect commands")]

use core::ptr::NonNull;
use std::collections::HashMap;
use std::sync::Arc;

use objc2::rc::autoreleasepool;
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLBuffer, MTLComputeCommandEncoder, MTLComputePipelineState, MTLDevice,
    MTLIndirectCommandBuffer, MTLIndirectCommandBufferDescriptor, MTLIndirectCommandType,
    MTLIndirectComputeCommand, MTLResource, MTLResourceUsage,
};

use crate::backend::Refused;
use crate::backend::metal::gpu::{Gpu, RESOURCES};
use crate::backend::metal::list::{List, Prepared, Step};
use crate::backend::metal::object::{Buffer, Shared};
use crate::backend::metal::pass::{self, Call, Groups, memory_barrier};

/// Commands that Metal takes in one indirect command buffer.
const MAX_COMMANDS: usize = 16_384;

/// Where bytes may begin that a kernel reads as constants: 4 on Apple's own GPUs, but vectors want 16.
const ALIGN_APPLE: usize = 16;
const ALIGN_OTHERS: usize = 256;

/// The dispatches of a list, ready to run any number of times.
pub(super) struct IndirectPart {
    gpu: Arc<Gpu>,
    /// One after the other.
    runs: Vec<Run>,
    /// What the commands use, each once.
    uses: Vec<Buffer>,
}

struct Run {
    commands: Shared<ProtocolObject<dyn MTLIndirectCommandBuffer>>,
    len: usize,
}

/// A dispatch of the list.
struct Command<'a> {
    list: &'a List,
    prepared: &'a Prepared,
    call: Call<'a>,
    /// Whether it begins a wave.
    waits: bool,
    /// Where its bytes are among the constants.
    inline: usize,
    sizes: usize,
}

impl<'a> Command<'a> {
    fn places(&self) -> impl ExactSizeIterator<Item = (&'a Buffer, usize)> {
        self.list.places(self.prepared)
    }
}

impl IndirectPart {
    /// `None` where something in the list cannot be an indirect command: a grid that is read from a buffer, or a pipeline
    /// that was compiled for passes only.
    pub(super) fn new(gpu: &Arc<Gpu>, list: &List) -> Result<Option<IndirectPart>, Refused> {
        let mut constants = Constants::new(match gpu.features.family.starts_with("Apple") {
            true => ALIGN_APPLE,
            false => ALIGN_OTHERS,
        });
        let Some(commands) = commands(list, &mut constants) else {
            return Ok(None);
        };
        autoreleasepool(|_| {
            let constants = constants.buffer(gpu)?;
            let buffers = commands.iter().map(buffers).max().unwrap_or(0);
            let runs = commands.chunks(MAX_COMMANDS);
            let runs = runs.map(|commands| Run::new(gpu, commands, buffers, constants.as_ref()));
            let runs = runs.collect::<Result<_, Refused>>()?;
            let uses = uses(list, constants);
            uses.iter().for_each(|buffer| gpu.residency.include(buffer));
            Ok(Some(IndirectPart {
                gpu: gpu.clone(),
                runs,
                uses,
            }))
        })
    }

    /// Encodes that everything runs. What the pass has bound is not what it was afterwards.
    pub(super) fn execute(&self, pass: &ProtocolObject<dyn MTLComputeCommandEncoder>) {
        if !self.gpu.residency.is_there() {
            let usage = MTLResourceUsage::Read | MTLResourceUsage::Write;
            for buffer in &self.uses {
                let buffer: &ProtocolObject<dyn MTLBuffer> = buffer;
                pass.useResource_usage(ProtocolObject::from_ref(buffer), usage);
            }
        }
        for (at, run) in self.runs.iter().enumerate() {
            // The barriers of commands are between those of one buffer.
            if at > 0 {
                memory_barrier(pass);
            }
            // SAFETY: the buffer has so many commands. The part lives until the submission has run, with all it uses.
            unsafe {
                pass.executeCommandsInBuffer_withRange(&run.commands, NSRange::new(0, run.len));
            }
        }
    }
}

impl Drop for IndirectPart {
    fn drop(&mut self) {
        autoreleasepool(|_| {
            let uses = self.uses.iter();
            uses.for_each(|buffer| self.gpu.residency.exclude(buffer));
        });
    }
}

impl Run {
    fn new(
        gpu: &Gpu,
        commands: &[Command<'_>],
        buffers: usize,
        constants: Option<&Buffer>,
    ) -> Result<Run, Refused> {
        let len = commands.len();
        let descriptor = MTLIndirectCommandBufferDescriptor::new();
        descriptor.setCommandTypes(MTLIndirectCommandType::ConcurrentDispatch);
        descriptor.setInheritBuffers(false);
        descriptor.setInheritPipelineState(false);
        descriptor.setMaxKernelBufferBindCount(buffers);
        // SAFETY: there is at least one command, and not more than Metal takes.
        let indirect = unsafe {
            let device = &gpu.device;
            device.newIndirectCommandBufferWithDescriptor_maxCommandCount_options(
                &descriptor,
                len,
                RESOURCES,
            )
        };
        let indirect = indirect.ok_or_else(|| {
            let reason = format!("Metal makes no indirect command buffer of {len} commands");
            Refused::OutOfMemory(reason.into())
        })?;
        indirect.setLabel(Some(&NSString::from_str("dacapo")));
        for (at, command) in commands.iter().enumerate() {
            // SAFETY: the buffer has so many commands.
            let target = unsafe { indirect.indirectComputeCommandAtIndex(at) };
            // The first one of a buffer has nothing in it to wait for.
            encode(&target, command, constants, at > 0);
        }
        Ok(Run {
            // SAFETY: nobody changes it from here on.
            commands: unsafe { Shared::new(indirect) },
            len,
        })
    }
}

fn encode(
    target: &ProtocolObject<dyn MTLIndirectComputeCommand>,
    command: &Command<'_>,
    constants: Option<&Buffer>,
    may_wait: bool,
) {
    let call = &command.call;
    let pipeline = call.pipeline;
    target.setComputePipelineState(&pipeline.raw);
    // SAFETY: as of passes: indices are those of the pipeline, offsets lie inside their buffers, and the part keeps
    // the buffers.
    let bind = |buffer: &ProtocolObject<dyn MTLBuffer>, offset, index| unsafe {
        target.setKernelBuffer_offset_atIndex(buffer, offset, index);
    };
    for (index, (buffer, offset)) in command.places().enumerate() {
        bind(buffer, offset, index);
    }
    if let Some(index) = pipeline.inline_index {
        match (call.long_inline, constants) {
            (Some(buffer), _) => bind(buffer, 0, index),
            (None, Some(constants)) if !call.inline.is_empty() => {
                bind(constants, command.inline, index);
            }
            (None, _) => {}
        }
    }
    if let (Some(sizes), Some(constants)) = (&pipeline.sizes, constants) {
        bind(constants, command.sizes, sizes.index);
    }
    for argument in &pipeline.threadgroup {
        let length = argument.length(call.shared_bytes);
        // SAFETY: the pipeline has the argument, and the limit was checked.
        unsafe { target.setThreadgroupMemoryLength_atIndex(length, argument.index) };
    }
    if command.waits && may_wait {
        target.setBarrier();
    }
    if let Groups::Direct(groups) = call.groups {
        target.concurrentDispatchThreadgroups_threadsPerThreadgroup(
            pass::size(groups),
            pipeline.threads,
        );
    }
}

/// The dispatches of the list, if all can be indirect, with their bytes among the constants.
fn commands<'a>(list: &'a List, constants: &mut Constants) -> Option<Vec<Command<'a>>> {
    let mut commands = Vec::with_capacity(list.dispatches());
    let mut waits = false;
    for step in &list.steps {
        match step {
            Step::Barrier => waits = true,
            Step::PushScope(_) | Step::PopScope => {}
            Step::Dispatch(prepared) => {
                let call = list.call(prepared);
                let is_direct = matches!(call.groups, Groups::Direct(_));
                if !is_direct || !call.pipeline.raw.supportIndirectCommandBuffers() {
                    return None;
                }
                commands.push(Command {
                    list,
                    prepared,
                    waits: core::mem::take(&mut waits),
                    inline: constants.place(call.inline),
                    sizes: constants.place(bytemuck::cast_slice(call.sizes)),
                    call,
                });
            }
        }
    }
    Some(commands)
}

/// How many buffers a dispatch may bind: one more than the largest index.
fn buffers(command: &Command<'_>) -> usize {
    let pipeline = command.call.pipeline;
    let sizes = pipeline.sizes.as_ref().map(|sizes| sizes.index);
    let own = pipeline.inline_index.into_iter().chain(sizes);
    own.map(|index| index + 1)
        .fold(command.places().len(), usize::max)
}

/// Everything that the commands of `list` bind, each buffer once.
fn uses(list: &List, constants: Option<Buffer>) -> Vec<Buffer> {
    let mut uses = HashMap::new();
    let mut note = |buffer: &Buffer| {
        let raw: &ProtocolObject<dyn MTLBuffer> = buffer;
        uses.entry(core::ptr::from_ref(raw).addr())
            .or_insert_with(|| buffer.clone());
    };
    list.buffers().for_each(&mut note);
    constants.iter().for_each(&mut note);
    uses.into_values().collect()
}

/// Bytes of all dispatches, which Metal does not copy into indirect commands.
struct Constants {
    bytes: Vec<u8>,
    align: usize,
}

impl Constants {
    fn new(align: usize) -> Constants {
        Constants {
            bytes: Vec::new(),
            align,
        }
    }

    /// Adds bytes; gives where they begin.
    fn place(&mut self, bytes: &[u8]) -> usize {
        let at = self.bytes.len().next_multiple_of(self.align);
        if !bytes.is_empty() {
            self.bytes.resize(at, 0);
            self.bytes.extend_from_slice(bytes);
        }
        at
    }

    /// A buffer of them all, if there are any.
    fn buffer(self, gpu: &Gpu) -> Result<Option<Buffer>, Refused> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        // Kernels load whole vectors, also where constants end within one.
        let len = self.bytes.len().next_multiple_of(self.align);
        let buffer = gpu.buffer(len as u64, "constants")?;
        // SAFETY: the buffer is fresh, and at least as long.
        unsafe {
            let target = buffer.contents().cast::<u8>();
            let source = NonNull::from(self.bytes.as_slice()).cast();
            target.copy_from_nonoverlapping(source, self.bytes.len());
        }
        Ok(Some(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_begin_where_they_may_and_are_whole() {
        for align in [ALIGN_APPLE, ALIGN_OTHERS] {
            let mut constants = Constants::new(align);
            let texts: [&[u8]; 5] = [&[1; 3], &[], &[2; 300], &[3; 16], &[4]];
            let places = texts.map(|text| constants.place(text));
            for (text, place) in texts.iter().zip(places) {
                assert_eq!(place % align, 0);
                if !text.is_empty() {
                    assert_eq!(&constants.bytes[place..place + text.len()], *text);
                }
            }
        }
    }

    #[test]
    fn no_constants_take_no_room() {
        let mut constants = Constants::new(ALIGN_APPLE);
        constants.place(&[]);
        assert!(constants.bytes.is_empty());
    }
}
