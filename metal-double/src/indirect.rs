//! Indirect command buffers: commands that are recorded once and executed many times.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLAllocation, MTLDevice, MTLHazardTrackingMode, MTLIndirectCommandBuffer,
    MTLIndirectCommandType, MTLIndirectComputeCommand, MTLResource, MTLResourceOptions, MTLSize,
    MTLStorageMode,
};
use parking_lot::Mutex;

use crate::checks::{self, Bound};
use crate::device::Device;
use crate::encoding::{SLOTS, Shape};
use crate::held::{Core, Held, Lifetime};
use crate::ledger::{Class, Live};
use crate::memory::{Buffer, Storage};
use crate::object::{Owned, made_by_name, make};
use crate::pipeline::{Pipeline, PipelineCore};
use crate::root::Root;
use crate::rules::fail;
use crate::settings::{Feature, has};

/// Commands of an indirect command buffer at most.
const MAX_COMMANDS: usize = 16384;

/// Makes the class that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = IndirectDescriptor::class();
}

#[derive(Debug, Default)]
pub(crate) struct Described {
    types: Cell<usize>,
    inherit_buffers: Cell<bool>,
    inherit_pipeline: Cell<bool>,
    buffers: Cell<usize>,
    threadgroups: Cell<usize>,
}

made_by_name!(
    IndirectDescriptor,
    "MTLIndirectCommandBufferDescriptor",
    Described,
    {
        #[unsafe(method(commandTypes))]
        fn types(&self) -> MTLIndirectCommandType {
            MTLIndirectCommandType(self.ivars().types.get())
        }

        #[unsafe(method(setCommandTypes:))]
        fn set_types(&self, types: MTLIndirectCommandType) {
            self.ivars().types.set(types.0);
        }

        #[unsafe(method(inheritBuffers))]
        fn inherit_buffers(&self) -> bool {
            self.ivars().inherit_buffers.get()
        }

        #[unsafe(method(setInheritBuffers:))]
        fn set_inherit_buffers(&self, on: bool) {
            self.ivars().inherit_buffers.set(on);
        }

        #[unsafe(method(inheritPipelineState))]
        fn inherit_pipeline(&self) -> bool {
            self.ivars().inherit_pipeline.get()
        }

        #[unsafe(method(setInheritPipelineState:))]
        fn set_inherit_pipeline(&self, on: bool) {
            self.ivars().inherit_pipeline.set(on);
        }

        #[unsafe(method(maxKernelBufferBindCount))]
        fn buffers(&self) -> usize {
            self.ivars().buffers.get()
        }

        #[unsafe(method(setMaxKernelBufferBindCount:))]
        fn set_buffers(&self, count: usize) {
            self.ivars().buffers.set(count);
        }

        #[unsafe(method(maxKernelThreadgroupMemoryBindCount))]
        fn threadgroups(&self) -> usize {
            self.ivars().threadgroups.get()
        }

        #[unsafe(method(setMaxKernelThreadgroupMemoryBindCount:))]
        fn set_threadgroups(&self, count: usize) {
            self.ivars().threadgroups.set(count);
        }
    }
);

/// What commands take from the encoder that executes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inherits {
    pub(crate) buffers: bool,
    pub(crate) pipeline: bool,
}

/// A recorded command. It does not keep what it binds valid, only readable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) pipeline: Option<Arc<PipelineCore>>,
    pub(crate) buffers: [Option<(Arc<Storage>, usize)>; SLOTS],
    pub(crate) threadgroup: [u32; SLOTS],
    pub(crate) shape: Option<Shape>,
    pub(crate) barrier: bool,
}

impl Recorded {
    /// What is bound by the command alone.
    fn bound(&self) -> Bound {
        let bits = |f: &dyn Fn(usize) -> bool| {
            (0..SLOTS)
                .filter(|index| f(*index))
                .fold(0, |bits, index| bits | 1 << index)
        };
        Bound {
            buffers: bits(&|index| self.buffers[index].is_some()),
            misaligned: bits(&|index| {
                self.buffers[index]
                    .as_ref()
                    .is_some_and(|(_, offset)| !offset.is_multiple_of(4))
            }),
            threadgroup: bits(&|index| self.threadgroup[index] > 0),
            threadgroup_bytes: self.threadgroup.iter().map(|bytes| *bytes as usize).sum(),
        }
    }
}

/// The commands behind an indirect command buffer.
#[derive(Debug)]
pub(crate) struct IndirectCore {
    pub(crate) lifetime: Lifetime,
    pub(crate) size: usize,
    pub(crate) inherits: Inherits,
    pub(crate) commands: Mutex<Vec<Recorded>>,
    types: usize,
    max_buffers: usize,
    max_threadgroups: usize,
    /// Committed command buffers that execute it and have not ended.
    in_flight: AtomicUsize,
}

impl IndirectCore {
    /// A command buffer that executes it was committed.
    pub(crate) fn committed(&self) {
        self.in_flight.fetch_add(1, SeqCst);
    }

    /// It has ended.
    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }

    fn may_change(&self, place: &str) -> bool {
        if self.in_flight.load(SeqCst) == 0 {
            return true;
        }
        fail(
            place,
            format_args!(
                "{} is changed while a committed command buffer that executes it has not completed",
                self.lifetime.name()
            ),
        );
        false
    }
}

impl Held for IndirectCore {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }
}

#[derive(Debug)]
pub(crate) struct IndirectIvars {
    core: Core<IndirectCore>,
    device: Retained<Device>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLIndirectCommandBuffer"]
    #[ivars = IndirectIvars]
    #[derive(Debug)]
    pub(crate) struct IndirectCommandBuffer;

    unsafe impl NSObjectProtocol for IndirectCommandBuffer {}

    unsafe impl MTLAllocation for IndirectCommandBuffer {
        #[unsafe(method(allocatedSize))]
        fn allocated_size(&self) -> usize {
            self.core().size * size_of::<Recorded>()
        }
    }

    unsafe impl MTLResource for IndirectCommandBuffer {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.core().lifetime.label.lock()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.core().lifetime.label.lock() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method(storageMode))]
        fn storage_mode(&self) -> MTLStorageMode {
            MTLStorageMode::Shared
        }

        #[unsafe(method(hazardTrackingMode))]
        fn hazard_tracking_mode(&self) -> MTLHazardTrackingMode {
            MTLHazardTrackingMode::Tracked
        }
    }

    unsafe impl MTLIndirectCommandBuffer for IndirectCommandBuffer {
        #[unsafe(method(size))]
        fn size(&self) -> usize {
            self.core().size
        }

        #[unsafe(method(resetWithRange:))]
        fn reset(&self, range: NSRange) {
            const PLACE: &str = "-[MTLDebugIndirectCommandBuffer resetWithRange:]";
            let core = self.core();
            if range
                .location
                .checked_add(range.length)
                .is_none_or(|end| end > core.size)
            {
                fail(
                    PLACE,
                    format_args!(
                        "range.location({}) + range.length({}) must be <= the indirect command buffer's size ({})",
                        range.location, range.length, core.size
                    ),
                );
                return;
            }
            if core.may_change(PLACE) {
                core.commands.lock()[range.location..range.location + range.length]
                    .fill(Recorded::default());
            }
        }

        #[unsafe(method_id(indirectComputeCommandAtIndex:))]
        fn command_at(&self, index: usize) -> Owned<dyn MTLIndirectComputeCommand> {
            let core = self.core();
            if index >= core.size {
                fail(
                    "-[MTLDebugIndirectCommandBuffer indirectComputeCommandAtIndex:]",
                    format_args!(
                        "commandIndex ({index}) must be < the indirect command buffer's size ({})",
                        core.size
                    ),
                );
            }
            let index = index.min(core.size - 1);
            let ivars = CommandIvars {
                core: core.clone(),
                index,
                _live: Live::new(Class::IndirectCommand),
            };
            ProtocolObject::from_retained(make::<IndirectCommand>(ivars))
        }
    }
);

// SAFETY: the commands are behind a lock.
unsafe impl Send for IndirectCommandBuffer {}
// SAFETY: as above.
unsafe impl Sync for IndirectCommandBuffer {}

impl IndirectCommandBuffer {
    pub(crate) fn core(&self) -> &Arc<IndirectCore> {
        &self.ivars().core.0
    }

    pub(crate) fn lifetime(&self) -> &Lifetime {
        &self.core().lifetime
    }

    pub(crate) fn of(
        device: &Device,
        descriptor: &IndirectDescriptor,
        size: usize,
        _options: MTLResourceOptions,
    ) -> Option<Retained<Self>> {
        const PLACE: &str =
            "-[MTLDebugDevice newIndirectCommandBufferWithDescriptor:maxCommandCount:options:]";
        let wanted = descriptor.ivars();
        if size == 0 || size > MAX_COMMANDS {
            fail(
                PLACE,
                format_args!("maxCommandCount ({size}) must be > 0 and <= {MAX_COMMANDS}"),
            );
            return None;
        }
        if wanted.types.get() == 0 {
            fail(PLACE, "descriptor.commandTypes must not be empty");
            return None;
        }
        if wanted.buffers.get() > SLOTS {
            fail(
                PLACE,
                format_args!(
                    "descriptor.maxKernelBufferBindCount ({}) must be <= {SLOTS}",
                    wanted.buffers.get()
                ),
            );
            return None;
        }
        let core = IndirectCore {
            lifetime: Lifetime::new("indirect command buffer", device.number()),
            size,
            inherits: Inherits {
                buffers: wanted.inherit_buffers.get(),
                pipeline: wanted.inherit_pipeline.get(),
            },
            commands: Mutex::new(vec![Recorded::default(); size]),
            types: wanted.types.get(),
            max_buffers: wanted.buffers.get(),
            max_threadgroups: wanted.threadgroups.get(),
            in_flight: AtomicUsize::new(0),
        };
        let ivars = IndirectIvars {
            core: Core::new(core),
            device: device.retain(),
            _live: Live::new(Class::IndirectCommandBuffer),
        };
        Some(make::<IndirectCommandBuffer>(ivars))
    }
}

#[derive(Debug)]
pub(crate) struct CommandIvars {
    core: Arc<IndirectCore>,
    index: usize,
    _live: Live,
}

macro_rules! place {
    ($selector:literal) => {
        concat!("-[MTLDebugIndirectComputeCommand ", $selector, "]")
    };
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLIndirectComputeCommand"]
    #[ivars = CommandIvars]
    #[derive(Debug)]
    pub(crate) struct IndirectCommand;

    unsafe impl NSObjectProtocol for IndirectCommand {}

    unsafe impl MTLIndirectComputeCommand for IndirectCommand {
        #[unsafe(method(setComputePipelineState:))]
        fn set_pipeline(&self, pipeline: &Pipeline) {
            const PLACE: &str = place!("setComputePipelineState:");
            let ivars = self.ivars();
            if ivars.core.inherits.pipeline {
                fail(
                    PLACE,
                    "the indirect command buffer inherits the pipeline state (inheritPipelineState)",
                );
            } else if !pipeline.core().indirect {
                fail(
                    PLACE,
                    "pipelineState must be created with supportIndirectCommandBuffers",
                );
            } else if Held::lifetime(&**pipeline.core()).device != ivars.core.lifetime.device {
                fail(PLACE, "pipelineState was created on another device");
            } else {
                self.change(PLACE, |command| {
                    command.pipeline = Some(pipeline.core().clone())
                });
            }
        }

        #[unsafe(method(setKernelBuffer:offset:atIndex:))]
        fn set_buffer(&self, buffer: &Buffer, offset: usize, index: usize) {
            const PLACE: &str = place!("setKernelBuffer:offset:atIndex:");
            let core = &self.ivars().core;
            if core.inherits.buffers {
                fail(
                    PLACE,
                    "the indirect command buffer inherits buffers (inheritBuffers)",
                );
            } else if index >= core.max_buffers {
                fail(
                    PLACE,
                    format_args!(
                        "index ({index}) must be < maxKernelBufferBindCount ({})",
                        core.max_buffers
                    ),
                );
            } else if checks::binding(PLACE, core.lifetime.device, buffer.storage(), offset) {
                self.change(PLACE, |command| {
                    command.buffers[index] = Some((buffer.storage().clone(), offset))
                });
            }
        }

        #[unsafe(method(setThreadgroupMemoryLength:atIndex:))]
        fn set_threadgroup_memory(&self, length: usize, index: usize) {
            const PLACE: &str = place!("setThreadgroupMemoryLength:atIndex:");
            let most = self.ivars().core.max_threadgroups;
            if most > 0 && index >= most {
                fail(
                    PLACE,
                    format_args!(
                        "index ({index}) must be < maxKernelThreadgroupMemoryBindCount ({most})"
                    ),
                );
            } else if checks::threadgroup_length(PLACE, length, index) {
                self.change(PLACE, |command| command.threadgroup[index] = length as u32);
            }
        }

        #[unsafe(method(concurrentDispatchThreadgroups:threadsPerThreadgroup:))]
        fn dispatch_threadgroups(&self, groups: MTLSize, threads_per_group: MTLSize) {
            const PLACE: &str = place!("concurrentDispatchThreadgroups:threadsPerThreadgroup:");
            if checks::grid(PLACE, "threadgroupsPerGrid", groups) {
                self.dispatch(
                    PLACE,
                    MTLIndirectCommandType::ConcurrentDispatch,
                    threads_per_group,
                    Shape::of_groups(groups, threads_per_group),
                );
            }
        }

        #[unsafe(method(concurrentDispatchThreads:threadsPerThreadgroup:))]
        fn dispatch_threads(&self, threads: MTLSize, threads_per_group: MTLSize) {
            const PLACE: &str = place!("concurrentDispatchThreads:threadsPerThreadgroup:");
            if !has(Feature::NonUniformThreadgroups) {
                fail(
                    PLACE,
                    "concurrentDispatchThreads requires a device that supports non-uniform threadgroup sizes",
                );
            } else if checks::grid(PLACE, "threadsPerGrid", threads) {
                self.dispatch(
                    PLACE,
                    MTLIndirectCommandType::ConcurrentDispatchThreads,
                    threads_per_group,
                    Shape::of_threads(threads, threads_per_group),
                );
            }
        }

        #[unsafe(method(setBarrier))]
        fn set_barrier(&self) {
            self.change(place!("setBarrier"), |command| command.barrier = true);
        }

        #[unsafe(method(clearBarrier))]
        fn clear_barrier(&self) {
            self.change(place!("clearBarrier"), |command| command.barrier = false);
        }

        #[unsafe(method(reset))]
        fn reset(&self) {
            self.change(place!("reset"), |command| *command = Recorded::default());
        }
    }
);

// SAFETY: the commands are behind a lock.
unsafe impl Send for IndirectCommand {}
// SAFETY: as above.
unsafe impl Sync for IndirectCommand {}

impl IndirectCommand {
    fn change(&self, place: &str, f: impl FnOnce(&mut Recorded)) {
        let ivars = self.ivars();
        if ivars.core.may_change(place) {
            f(&mut ivars.core.commands.lock()[ivars.index]);
        }
    }

    fn dispatch(
        &self,
        place: &str,
        kind: MTLIndirectCommandType,
        threads_per_group: MTLSize,
        shape: Shape,
    ) {
        let core = &self.ivars().core;
        if core.types & kind.0 == 0 {
            fail(
                place,
                "the indirect command buffer was not created for this type of command (commandTypes)",
            );
            return;
        }
        let Inherits { buffers, pipeline } = core.inherits;
        if !pipeline {
            let command = core.commands.lock()[self.ivars().index].clone();
            let Some(pipeline) = &command.pipeline else {
                fail(
                    place,
                    "a compute pipeline state must be set before a dispatch (setComputePipelineState:)",
                );
                return;
            };
            if !checks::threads(place, pipeline, threads_per_group) {
                return;
            }
            let mut bound = command.bound();
            if buffers {
                bound.buffers = u32::MAX;
            }
            if !checks::arguments(place, pipeline, bound) {
                return;
            }
        }
        self.change(place, |command| command.shape = Some(shape));
    }
}
