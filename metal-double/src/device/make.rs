//! Objects that a device makes, with the checks of what they are made of.

use std::ffi::c_void;
use std::ptr::NonNull;

use block2::RcBlock;
use objc2::DefinedClass;
use objc2::rc::Retained;
use objc2::runtime::ProtocolObject;
use objc2_metal::{
    MTLBuffer, MTLCommandQueue, MTLComputePipelineState, MTLCounterSampleBuffer,
    MTLIndirectCommandBuffer, MTLPipelineOption, MTLResidencySet, MTLResourceOptions,
};

use super::{Deallocator, Device, MAX_BUFFER, Reflection};
use crate::counters::{SampleBuffer, SampleBufferDescriptor};
use crate::errors::{ErrorSlot, refuse};
use crate::faults::{Call, strikes};
use crate::indirect::{IndirectCommandBuffer, IndirectDescriptor};
use crate::memory::{Buffer, PAGE};
use crate::object::Owned;
use crate::pipeline::{self, ComputePipelineDescriptor, Pipeline};
use crate::queue::Queue;
use crate::residency::{ResidencySet, ResidencySetDescriptor};
use crate::rules::fail;
use crate::settings::{self, Feature, has};

impl Device {
    pub(super) fn queue_of(&self, most: usize) -> Option<Owned<dyn MTLCommandQueue>> {
        if most == 0 {
            fail(
                "-[MTLDebugDevice newCommandQueueWithMaxCommandBufferCount:]",
                "maxCommandBufferCount (0) must be > 0",
            );
            return None;
        }
        self.queue(most)
    }

    pub(super) fn buffer_with_bytes(
        &self,
        bytes: NonNull<c_void>,
        length: usize,
        options: MTLResourceOptions,
    ) -> Option<Owned<dyn MTLBuffer>> {
        let buffer = self.buffer(
            "-[MTLDebugDevice newBufferWithBytes:length:options:]",
            length,
            options,
        )?;
        // SAFETY: the caller gives so many bytes, and the buffer has room for them.
        unsafe {
            bytes
                .cast::<u8>()
                .copy_to_nonoverlapping(buffer.storage().base, length)
        };
        Some(ProtocolObject::from_retained(buffer))
    }

    pub(super) fn buffer_over(
        &self,
        bytes: NonNull<c_void>,
        length: usize,
        options: MTLResourceOptions,
        deallocator: Deallocator,
    ) -> Option<Owned<dyn MTLBuffer>> {
        const PLACE: &str =
            "-[MTLDebugDevice newBufferWithBytesNoCopy:length:options:deallocator:]";
        let page = page_size();
        if !(bytes.as_ptr() as usize).is_multiple_of(page) {
            fail(
                PLACE,
                format_args!("pointer {bytes:p} is not {page} byte aligned"),
            );
            return None;
        }
        if !length.is_multiple_of(page) {
            fail(
                PLACE,
                format_args!("length {length} is not {page} byte aligned"),
            );
            return None;
        }
        if (options.0 >> 4) & 0xf != 0 {
            fail(PLACE, "options must have MTLResourceStorageModeShared");
            return None;
        }
        if !self.accepts(PLACE, length) {
            return None;
        }
        // SAFETY: the caller gives a block or nil.
        let deallocator = unsafe { RcBlock::copy(deallocator) };
        Some(ProtocolObject::from_retained(Buffer::borrow(
            self,
            bytes,
            length,
            options,
            deallocator,
        )))
    }

    pub(super) fn described_pipeline(
        &self,
        descriptor: &ComputePipelineDescriptor,
        options: MTLPipelineOption,
        reflection: Reflection,
        error: ErrorSlot,
    ) -> Option<Owned<dyn MTLComputePipelineState>> {
        pipeline::no_reflection(reflection);
        let Some(function) = pipeline::function_of(descriptor) else {
            fail(
                "-[MTLDebugDevice newComputePipelineStateWithDescriptor:options:reflection:error:]",
                "computeFunction must not be nil",
            );
            return None;
        };
        Pipeline::build(self, &function, descriptor.ivars(), options, error)
            .map(ProtocolObject::from_retained)
    }

    pub(super) fn residency_set(
        &self,
        descriptor: &ResidencySetDescriptor,
        error: ErrorSlot,
    ) -> Option<Owned<dyn MTLResidencySet>> {
        if !has(Feature::Residency) {
            fail(
                "-[FakeMTLDevice newResidencySetWithDescriptor:error:]",
                "unrecognized selector sent to instance (macOS 15 has it first)",
            );
            return None;
        }
        if strikes(Call::ResidencySet) {
            refuse(
                error,
                "MTLDeviceError",
                1,
                "residency sets were made to fail",
            );
            return None;
        }
        Some(ProtocolObject::from_retained(ResidencySet::of(
            self, descriptor,
        )))
    }

    pub(super) fn sample_buffer(
        &self,
        descriptor: &SampleBufferDescriptor,
        error: ErrorSlot,
    ) -> Option<Owned<dyn MTLCounterSampleBuffer>> {
        if !has(Feature::Counters) {
            refuse(
                error,
                "MTLCounterErrorDomain",
                1,
                "the device has no counters",
            );
            return None;
        }
        SampleBuffer::of(self, descriptor, error).map(ProtocolObject::from_retained)
    }

    pub(super) fn indirect(
        &self,
        descriptor: &IndirectDescriptor,
        count: usize,
        options: MTLResourceOptions,
    ) -> Option<Owned<dyn MTLIndirectCommandBuffer>> {
        if !has(Feature::IndirectCommandBuffers) {
            fail(
                "-[MTLDebugDevice newIndirectCommandBufferWithDescriptor:maxCommandCount:options:]",
                "indirect command buffers with compute commands are not supported on this device",
            );
            return None;
        }
        if strikes(Call::IndirectCommandBuffer) {
            return None;
        }
        IndirectCommandBuffer::of(self, descriptor, count, options)
            .map(ProtocolObject::from_retained)
    }

    pub(super) fn queue(&self, most: usize) -> Option<Owned<dyn MTLCommandQueue>> {
        if strikes(Call::Queue) {
            return None;
        }
        Some(ProtocolObject::from_retained(Queue::of(self, most)))
    }

    /// Whether a buffer of this length can be made; false also where the real device returns nil.
    pub(super) fn accepts(&self, place: &str, length: usize) -> bool {
        if length == 0 {
            fail(place, "Cannot create buffer of zero length.");
            return false;
        }
        if length > MAX_BUFFER {
            fail(
                place,
                format_args!(
                    "Buffer Validation: newBufferWith*:length 0x{length:x} must not exceed {} MB.",
                    MAX_BUFFER >> 20
                ),
            );
            return false;
        }
        let used = self.accounts().bytes() as u64 + length.next_multiple_of(PAGE) as u64;
        used <= settings::working_set().saturating_mul(2) && !strikes(Call::Buffer)
    }

    pub(super) fn buffer(
        &self,
        place: &str,
        length: usize,
        options: MTLResourceOptions,
    ) -> Option<Retained<Buffer>> {
        if !self.accepts(place, length) {
            return None;
        }
        Buffer::allocate(self, length, options)
    }
}

pub(super) fn page_size() -> usize {
    // The host's pages: memory of this process is mapped in those.
    4096
}
