//! A compute encoder of Metal, and what is bound to it.
#![allow(unsafe_code, reason = "encodes into a Metal command buffer")]

use core::ptr::{self, NonNull};

use objc2::rc::Retained;
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSString;
use objc2_metal::{
    MTLBarrierScope, MTLBuffer, MTLCommandBuffer, MTLCommandEncoder, MTLComputeCommandEncoder,
    MTLComputePassDescriptor, MTLCounterDontSample, MTLDispatchType, MTLFence, MTLSize,
};

use crate::backend::Refused;
use crate::backend::metal::features::MAX_SET_BYTES;
use crate::backend::metal::indirect::IndirectPart;
use crate::backend::metal::object::Buffer;
use crate::backend::metal::pipeline::ComputePipeline;

/// Buffers that a compute encoder binds.
const BUFFERS: usize = 31;

/// A dispatch, with all that Metal needs to know but the buffers for the indices from 0.
pub(super) struct Call<'a> {
    pub(super) pipeline: &'a ComputePipeline,
    /// Not more than Metal copies by itself.
    pub(super) inline: &'a [u8],
    /// Where the inline bytes are if there are more.
    pub(super) long_inline: Option<&'a ProtocolObject<dyn MTLBuffer>>,
    /// Bytes of the buffers that the pipeline asks for.
    pub(super) sizes: &'a [u32],
    pub(super) groups: Groups<'a>,
    pub(super) shared_bytes: u32,
}

#[derive(Clone, Copy)]
pub(super) enum Groups<'a> {
    Direct([u32; 3]),
    /// Read when the dispatch starts.
    Indirect(&'a Buffer, usize),
}

/// An open compute encoder. It ends when this is dropped, as Metal demands.
pub(super) struct Pass {
    encoder: Retained<ProtocolObject<dyn MTLComputeCommandEncoder>>,
    fence: Retained<ProtocolObject<dyn MTLFence>>,
    pipeline: *const ComputePipeline,
    bound: [(*const ProtocolObject<dyn MTLBuffer>, usize); BUFFERS],
    /// Arguments in threadgroup memory that may have a length: those below this index.
    threadgroup: usize,
    /// Whether something ran that the next dispatch must wait for.
    barrier: bool,
    has_run: bool,
    /// Debug groups that are open.
    groups: u32,
    /// Whether dispatches run side by side where no barrier keeps them apart.
    is_concurrent: bool,
}

// SAFETY: whoever holds it is alone with the encoder, and the pointers are only compared.
unsafe impl Send for Pass {}

impl Pass {
    /// Begins after all earlier passes.
    pub(super) fn begin(
        commands: &ProtocolObject<dyn MTLCommandBuffer>,
        fence: &Retained<ProtocolObject<dyn MTLFence>>,
        kind: &Kind,
    ) -> Result<Pass, Refused> {
        let encoder = match kind {
            Kind::Plain(order) => commands.computeCommandEncoderWithDispatchType(*order),
            Kind::Timed(descriptor) => commands.computeCommandEncoderWithDescriptor(descriptor),
        };
        let encoder =
            encoder.ok_or_else(|| Refused::Other("Metal makes no compute encoder".into()))?;
        encoder.waitForFence(fence);
        Ok(Pass {
            fence: fence.clone(),
            pipeline: ptr::null(),
            bound: [(NOTHING, 0); BUFFERS],
            threadgroup: 0,
            barrier: false,
            has_run: false,
            groups: 0,
            is_concurrent: encoder.dispatchType() == MTLDispatchType::Concurrent,
            encoder,
        })
    }

    /// Encodes a dispatch. The places are the buffers for the indices from 0, and where what is bound begins in them.
    pub(super) fn dispatch<'b>(
        &mut self,
        call: &Call<'_>,
        places: impl Iterator<Item = (&'b Buffer, usize)>,
    ) {
        self.order();
        self.bind(call, places);
        let threads = call.pipeline.threads;
        match call.groups {
            Groups::Direct(groups) => self
                .encoder
                .dispatchThreadgroups_threadsPerThreadgroup(size(groups), threads),
            // SAFETY: the view was checked to hold an aligned grid.
            Groups::Indirect(buffer, offset) => unsafe {
                self.encoder
                    .dispatchThreadgroupsWithIndirectBuffer_indirectBufferOffset_threadsPerThreadgroup(
                        buffer, offset, threads,
                    );
            },
        }
    }

    /// Runs a part that binds for itself, behind everything so far.
    pub(super) fn execute(&mut self, part: &IndirectPart) {
        self.barrier();
        self.order();
        part.execute(&self.encoder);
        self.pipeline = ptr::null();
        self.bound = [(NOTHING, 0); BUFFERS];
    }

    /// Orders everything so far before everything from now on.
    pub(super) fn barrier(&mut self) {
        self.barrier |= self.has_run && self.is_concurrent;
    }

    pub(super) fn push_scope(&mut self, label: &NSString) {
        self.encoder.pushDebugGroup(label);
        self.groups += 1;
    }

    pub(super) fn pop_scope(&mut self) {
        if let Some(groups) = self.groups.checked_sub(1) {
            self.groups = groups;
            self.encoder.popDebugGroup();
        }
    }

    pub(super) fn label(&self, label: &NSString) {
        self.encoder.setLabel(Some(label));
    }

    fn order(&mut self) {
        if core::mem::take(&mut self.barrier) {
            memory_barrier(&self.encoder);
        }
        self.has_run = true;
    }

    fn bind<'b>(&mut self, call: &Call<'_>, places: impl Iterator<Item = (&'b Buffer, usize)>) {
        let (encoder, pipeline) = (&self.encoder, call.pipeline);
        let is_new = !ptr::eq(self.pipeline, pipeline);
        if is_new {
            self.pipeline = pipeline;
            encoder.setComputePipelineState(&pipeline.raw);
            // Lengths stay when the pipeline changes, and all of them count.
            let own = |index: usize| pipeline.threadgroup.iter().any(|own| own.index == index);
            for index in (0..self.threadgroup).filter(|&index| !own(index)) {
                // SAFETY: an earlier pipeline of this pass had an argument of this index.
                unsafe { encoder.setThreadgroupMemoryLength_atIndex(0, index) };
            }
            let indices = pipeline.threadgroup.iter().map(|own| own.index + 1);
            self.threadgroup = indices.max().unwrap_or(0);
        }
        for argument in &pipeline.threadgroup {
            if is_new || argument.dynamic {
                let length = argument.length(call.shared_bytes);
                // SAFETY: the pipeline has the argument, and the limit was checked.
                unsafe { encoder.setThreadgroupMemoryLength_atIndex(length, argument.index) };
            }
        }
        for (index, (buffer, offset)) in places.enumerate() {
            let buffer = buffer.as_ref();
            let bound = &mut self.bound[index];
            if *bound == (ptr::from_ref(buffer), offset) {
                continue;
            }
            // SAFETY: the index is one of the encoder's, and the offset lies inside the buffer. The submission
            // keeps the buffer until it has run.
            unsafe {
                match ptr::eq(bound.0, buffer) {
                    true => encoder.setBufferOffset_atIndex(offset, index),
                    false => encoder.setBuffer_offset_atIndex(Some(buffer), offset, index),
                }
            }
            *bound = (buffer, offset);
        }
        if let Some(index) = pipeline.inline_index {
            match call.long_inline {
                // SAFETY: as above; whoever dispatches keeps it.
                Some(buffer) => unsafe {
                    encoder.setBuffer_offset_atIndex(Some(buffer), 0, index);
                    self.bound[index] = (NOTHING, 0);
                },
                None if call.inline.is_empty() => {}
                None => self.set_bytes(call.inline, index),
            }
        }
        if let Some(sizes) = &pipeline.sizes {
            self.set_bytes(bytemuck::cast_slice(call.sizes), sizes.index);
        }
    }

    fn set_bytes(&mut self, bytes: &[u8], index: usize) {
        debug_assert!(bytes.len() <= MAX_SET_BYTES);
        // SAFETY: Metal copies the bytes, of which there are some, and not too many.
        unsafe {
            self.encoder
                .setBytes_length_atIndex(NonNull::from(bytes).cast(), bytes.len(), index);
        }
        self.bound[index] = (NOTHING, 0);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        while self.groups > 0 {
            self.pop_scope();
        }
        self.encoder.updateFence(&self.fence);
        self.encoder.endEncoding();
    }
}

/// How a pass begins.
pub(super) enum Kind {
    Plain(MTLDispatchType),
    Timed(Retained<MTLComputePassDescriptor>),
}

/// One pass that takes the time at its beginning, and one that does so at its end, where `whole` does both.
pub(super) fn ends(whole: &MTLComputePassDescriptor) -> (Kind, Kind) {
    // SAFETY: an attachment 0 is there, also where it is empty.
    let times = unsafe { whole.sampleBufferAttachments().objectAtIndexedSubscript(0) };
    let end = |sets_start: bool| {
        let pass = MTLComputePassDescriptor::computePassDescriptor();
        pass.setDispatchType(whole.dispatchType());
        // SAFETY: as above; the samples are those of `whole`, and the other end takes none.
        unsafe {
            let own = pass.sampleBufferAttachments().objectAtIndexedSubscript(0);
            own.setSampleBuffer(times.sampleBuffer().as_deref());
            own.setStartOfEncoderSampleIndex(match sets_start {
                true => times.startOfEncoderSampleIndex(),
                false => MTLCounterDontSample,
            });
            own.setEndOfEncoderSampleIndex(match sets_start {
                true => MTLCounterDontSample,
                false => times.endOfEncoderSampleIndex(),
            });
        }
        Kind::Timed(pass)
    };
    (end(true), end(false))
}

/// A pointer to no buffer, for comparisons.
const NOTHING: *const ProtocolObject<dyn MTLBuffer> = ptr::null();

/// A frame of its own, so that profilers show what barriers cost.
#[inline(never)]
pub(super) fn memory_barrier(encoder: &ProtocolObject<dyn MTLComputeCommandEncoder>) {
    encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
}

pub(super) fn size([width, height, depth]: [u32; 3]) -> MTLSize {
    MTLSize {
        width: width as usize,
        height: height as usize,
        depth: depth as usize,
    }
}
