//! Indirect command buffers: commands that are recorded once and executed many times.

mod command;
mod descriptor;
mod recorded;

pub(crate) use descriptor::IndirectDescriptor;
pub(crate) use recorded::{IndirectCore, Inherits, Recorded};

use command::{CommandIvars, IndirectCommand};

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLAllocation, MTLDevice, MTLHazardTrackingMode, MTLIndirectCommandBuffer,
    MTLIndirectComputeCommand, MTLResource, MTLResourceOptions, MTLStorageMode,
};
use parking_lot::Mutex;

use crate::device::Device;
use crate::encoding::SLOTS;
use crate::held::{Core, Lifetime};
use crate::ledger::{Class, Live};
use crate::object::{Owned, make};
use crate::root::Root;
use crate::rules::fail;

/// Commands of an indirect command buffer at most.
const MAX_COMMANDS: usize = 16384;

/// Makes the class that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = IndirectDescriptor::class();
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
