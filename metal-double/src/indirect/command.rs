//! One command of an indirect command buffer, as a program records it.

use std::sync::Arc;

use objc2::runtime::{NSObject, NSObjectProtocol};
use objc2::{DefinedClass, define_class};
use objc2_metal::{MTLIndirectCommandType, MTLIndirectComputeCommand, MTLSize};

use super::{IndirectCore, Inherits, Recorded};
use crate::checks::{self};
use crate::encoding::Shape;
use crate::held::Held;
use crate::ledger::Live;
use crate::memory::Buffer;
use crate::pipeline::Pipeline;
use crate::root::Root;
use crate::rules::fail;
use crate::settings::{Feature, has};

#[derive(Debug)]
pub(crate) struct CommandIvars {
    pub(super) core: Arc<IndirectCore>,
    pub(super) index: usize,
    pub(super) _live: Live,
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
