//! Compute encoders.

mod state;

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::NonNull;

use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{DefinedClass, Message, define_class};
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLBarrierScope, MTLCommandEncoder, MTLComputeCommandEncoder, MTLDevice, MTLDispatchType,
    MTLResourceUsage, MTLSize,
};

use crate::checks::{self, Bound};
use crate::command_buffer::CommandBuffer;
use crate::counters::SampleBuffer;
use crate::counts::{self, Count};
use crate::encoding::{Command, Pass, SLOTS, Shape, Step};
use crate::event::Fence;
use crate::held::Notes;
use crate::indirect::IndirectCommandBuffer;
use crate::ledger::{Class, Live};
use crate::memory::Buffer;
use crate::object::{Owned, make};
use crate::pipeline::Pipeline;
use crate::root::Root;
use crate::rules::fail;
use crate::settings::{Feature, has};

use state::{State, Tally};

#[derive(Debug)]
pub(crate) struct EncoderIvars {
    /// Nothing once encoding has ended.
    state: RefCell<Option<Box<State>>>,
    command_buffer: Retained<CommandBuffer>,
    label: RefCell<String>,
    _live: Live,
}

impl Drop for EncoderIvars {
    fn drop(&mut self) {
        if self.state.get_mut().is_some() {
            fail(
                "-[_MTLCommandEncoder dealloc]",
                "Command encoder released without endEncoding",
            );
            self.command_buffer.abandon_encoder();
        }
    }
}

macro_rules! place {
    ($selector:literal) => {
        concat!("-[MTLDebugComputeCommandEncoder ", $selector, "]")
    };
}
use place;

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLComputeCommandEncoder"]
    #[ivars = EncoderIvars]
    #[derive(Debug)]
    pub(crate) struct ComputeEncoder;

    unsafe impl NSObjectProtocol for ComputeEncoder {}

    unsafe impl MTLCommandEncoder for ComputeEncoder {
        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().command_buffer.device_object())
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method(endEncoding))]
        fn end_encoding(&self) {
            self.end();
        }

        #[unsafe(method(insertDebugSignpost:))]
        fn insert_debug_signpost(&self, text: &NSString) {
            self.encode(place!("insertDebugSignpost:"), |state| {
                state.pass.signposts.push(text.to_string())
            });
        }

        #[unsafe(method(pushDebugGroup:))]
        fn push_debug_group(&self, text: &NSString) {
            self.encode(place!("pushDebugGroup:"), |state| {
                state.groups.push(text.to_string())
            });
        }

        #[unsafe(method(popDebugGroup))]
        fn pop_debug_group(&self) {
            self.encode(place!("popDebugGroup"), |state| {
                if state.groups.pop().is_none() {
                    fail(
                        place!("popDebugGroup"),
                        "popDebugGroup called without a matching pushDebugGroup",
                    );
                }
            });
        }
    }

    unsafe impl MTLComputeCommandEncoder for ComputeEncoder {
        #[unsafe(method(dispatchType))]
        fn dispatch_type(&self) -> MTLDispatchType {
            let concurrent = self
                .ivars()
                .state
                .borrow()
                .as_ref()
                .is_some_and(|state| state.pass.concurrent);
            if concurrent {
                MTLDispatchType::Concurrent
            } else {
                MTLDispatchType::Serial
            }
        }

        #[unsafe(method(setComputePipelineState:))]
        fn set_pipeline(&self, pipeline: &Pipeline) {
            self.encode(place!("setComputePipelineState:"), |state| {
                state.set_pipeline(pipeline)
            });
        }

        #[unsafe(method(setBuffer:offset:atIndex:))]
        fn set_buffer(&self, buffer: Option<&Buffer>, offset: usize, index: usize) {
            self.encode(place!("setBuffer:offset:atIndex:"), |state| {
                state.set_buffer(place!("setBuffer:offset:atIndex:"), buffer, offset, index);
            });
        }

        #[unsafe(method(setBuffers:offsets:withRange:))]
        fn set_buffers(
            &self,
            buffers: NonNull<*const Buffer>,
            offsets: NonNull<usize>,
            range: NSRange,
        ) {
            self.encode(place!("setBuffers:offsets:withRange:"), |state| {
                for i in 0..range.length {
                    // SAFETY: the caller gives as many buffers and offsets as the range is long.
                    let (buffer, offset) =
                        unsafe { (buffers.add(i).read().as_ref(), offsets.add(i).read()) };
                    state.set_buffer(
                        place!("setBuffers:offsets:withRange:"),
                        buffer,
                        offset,
                        range.location + i,
                    );
                }
            });
        }

        #[unsafe(method(setBufferOffset:atIndex:))]
        fn set_buffer_offset(&self, offset: usize, index: usize) {
            self.encode(place!("setBufferOffset:atIndex:"), |state| {
                state.set_buffer_offset(offset, index)
            });
        }

        #[unsafe(method(setBytes:length:atIndex:))]
        fn set_bytes(&self, bytes: NonNull<c_void>, length: usize, index: usize) {
            self.encode(place!("setBytes:length:atIndex:"), |state| {
                state.set_bytes(bytes, length, index)
            });
        }

        #[unsafe(method(setThreadgroupMemoryLength:atIndex:))]
        fn set_threadgroup_memory_length(&self, length: usize, index: usize) {
            self.encode(place!("setThreadgroupMemoryLength:atIndex:"), |state| {
                state.set_threadgroup_memory(length, index)
            });
        }

        #[unsafe(method(dispatchThreadgroups:threadsPerThreadgroup:))]
        fn dispatch_threadgroups(&self, groups: MTLSize, threads_per_group: MTLSize) {
            const PLACE: &str = place!("dispatchThreadgroups:threadsPerThreadgroup:");
            self.encode(PLACE, |state| {
                if state.may_dispatch(PLACE, threads_per_group)
                    && checks::grid(PLACE, "threadgroupsPerGrid", groups)
                {
                    state.push_dispatch(Command::Dispatch(Shape::of_groups(
                        groups,
                        threads_per_group,
                    )));
                }
            });
        }

        #[unsafe(method(dispatchThreads:threadsPerThreadgroup:))]
        fn dispatch_threads(&self, threads: MTLSize, threads_per_group: MTLSize) {
            const PLACE: &str = place!("dispatchThreads:threadsPerThreadgroup:");
            self.encode(PLACE, |state| {
                if !has(Feature::NonUniformThreadgroups) {
                    fail(PLACE, "dispatchThreads requires a device that supports non-uniform threadgroup sizes");
                    return;
                }
                if state.may_dispatch(PLACE, threads_per_group) && checks::grid(PLACE, "threadsPerGrid", threads) {
                    state.push_dispatch(Command::Dispatch(Shape::of_threads(threads, threads_per_group)));
                }
            });
        }

        #[unsafe(method(dispatchThreadgroupsWithIndirectBuffer:indirectBufferOffset:threadsPerThreadgroup:))]
        fn dispatch_indirect(&self, buffer: &Buffer, offset: usize, threads_per_group: MTLSize) {
            self.encode(INDIRECT, |state| {
                state.dispatch_indirect(buffer, offset, threads_per_group)
            });
        }

        #[unsafe(method(memoryBarrierWithScope:))]
        fn memory_barrier_with_scope(&self, scope: MTLBarrierScope) {
            self.encode(place!("memoryBarrierWithScope:"), |state| {
                state.tally.barriers += 1;
                if scope.contains(MTLBarrierScope::Buffers) {
                    state.pass.commands.push(Command::Barrier);
                }
            });
        }

        #[unsafe(method(memoryBarrierWithResources:count:))]
        fn memory_barrier_with_resources(
            &self,
            resources: NonNull<NonNull<AnyObject>>,
            count: usize,
        ) {
            self.encode(place!("memoryBarrierWithResources:count:"), |state| {
                state.tally.barriers += 1;
                // SAFETY: the caller gives so many resources.
                let resources = (0..count).map(|i| unsafe { resources.add(i).read().as_ref() });
                let buffers: Vec<_> = resources
                    .filter_map(|resource| resource.downcast_ref::<Buffer>())
                    .collect();
                let barrier = buffers
                    .iter()
                    .map(|buffer| state.notes.note(buffer.storage()))
                    .collect();
                state.pass.commands.push(Command::BarrierFor(barrier));
            });
        }

        #[unsafe(method(useResource:usage:))]
        fn use_resource(&self, resource: &AnyObject, usage: MTLResourceUsage) {
            self.encode(place!("useResource:usage:"), |state| {
                state.use_resource(place!("useResource:usage:"), resource, usage)
            });
        }

        #[unsafe(method(useResources:count:usage:))]
        fn use_resources(
            &self,
            resources: NonNull<NonNull<AnyObject>>,
            count: usize,
            usage: MTLResourceUsage,
        ) {
            const PLACE: &str = place!("useResources:count:usage:");
            self.encode(PLACE, |state| {
                for i in 0..count {
                    // SAFETY: the caller gives so many resources.
                    state.use_resource(PLACE, unsafe { resources.add(i).read().as_ref() }, usage);
                }
            });
        }

        #[unsafe(method(executeCommandsInBuffer:withRange:))]
        fn execute_commands(&self, commands: &IndirectCommandBuffer, range: NSRange) {
            self.encode(place!("executeCommandsInBuffer:withRange:"), |state| {
                state.execute(commands, range)
            });
        }

        #[unsafe(method(waitForFence:))]
        fn wait_for_fence(&self, fence: &Fence) {
            self.encode(place!("waitForFence:"), |state| {
                let fence = state.notes.note(&fence.ivars().core.0);
                state.pass.commands.push(Command::WaitFence(fence));
            });
        }

        #[unsafe(method(updateFence:))]
        fn update_fence(&self, fence: &Fence) {
            self.encode(place!("updateFence:"), |state| {
                let fence = state.notes.note(&fence.ivars().core.0);
                state.pass.commands.push(Command::UpdateFence(fence));
            });
        }

        #[unsafe(method(sampleCountersInBuffer:atSampleIndex:withBarrier:))]
        fn sample_counters(&self, _samples: &SampleBuffer, _index: usize, _barrier: bool) {
            const PLACE: &str = place!("sampleCountersInBuffer:atSampleIndex:withBarrier:");
            self.encode(PLACE, |_| {
                fail(PLACE, "sampleCountersInBuffer:atSampleIndex:withBarrier: is not supported on this device (MTLCounterSamplingPointAtDispatchBoundary)");
            });
        }
    }
);

const INDIRECT: &str =
    place!("dispatchThreadgroupsWithIndirectBuffer:indirectBufferOffset:threadsPerThreadgroup:");

// SAFETY: an encoder is used by one thread at a time, as Metal demands; it may move between threads.
unsafe impl Send for ComputeEncoder {}

impl ComputeEncoder {
    pub(crate) fn open(command_buffer: &CommandBuffer, notes: Notes, pass: Pass) -> Retained<Self> {
        counts::count(Count::ComputeEncoders);
        let state = State {
            pass,
            notes,
            executed: Vec::new(),
            device: command_buffer.device_object().number(),
            pipeline: None,
            bound: Bound {
                buffers: 0,
                misaligned: 0,
                threadgroup: 0,
                threadgroup_bytes: 0,
            },
            buffers: [None; SLOTS],
            threadgroup: [0; SLOTS],
            groups: Vec::new(),
            tally: Tally::default(),
        };
        let ivars = EncoderIvars {
            state: RefCell::new(Some(Box::new(state))),
            command_buffer: command_buffer.retain(),
            label: RefCell::default(),
            _live: Live::new(Class::ComputeEncoder),
        };
        make::<ComputeEncoder>(ivars)
    }

    #[inline]
    fn encode(&self, place: &str, f: impl FnOnce(&mut State)) {
        match self.ivars().state.borrow_mut().as_mut() {
            Some(state) => f(state),
            None => fail(place, "encoding after endEncoding"),
        }
    }

    fn end(&self) {
        let Some(mut state) = self.ivars().state.borrow_mut().take() else {
            fail(place!("endEncoding"), "endEncoding called twice");
            return;
        };
        if let Some(group) = state.groups.last() {
            fail(
                place!("endEncoding"),
                format_args!(
                    "debug group \"{group}\" was pushed and not popped before endEncoding"
                ),
            );
        }
        state.pass.label.clone_from(&self.ivars().label.borrow());
        let tally = &state.tally;
        for (what, n) in [
            (Count::SetBuffer, tally.buffers),
            (Count::SetBufferOffset, tally.offsets),
            (Count::SetBytes, tally.bytes),
            (Count::SetPipeline, tally.pipelines),
            (Count::Dispatches, tally.dispatches),
            (Count::Barriers, tally.barriers),
            (Count::UseResource, tally.uses),
            (Count::IndirectExecutions, tally.executions),
        ] {
            counts::add(what, u64::from(n));
        }
        self.ivars().command_buffer.encoder_ended(
            Step::Compute(state.pass),
            state.notes,
            state.executed,
        );
    }
}
