//! Command buffers: from encoders, through commit, to the end.

mod descriptor;
mod encode;
mod encoder_info;
mod end;
mod pass_descriptor;

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use block2::{DynBlock, RcBlock};
use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSError, NSString};
use objc2_metal::{
    MTLBlitCommandEncoder, MTLCommandBuffer, MTLCommandBufferErrorOption, MTLCommandBufferStatus,
    MTLCommandQueue, MTLComputeCommandEncoder, MTLDevice, MTLDispatchType,
};
use parking_lot::{Condvar, Mutex};

use crate::blit_encoder::BlitEncoder;
use crate::counts::{self, Count};
use crate::device::Device;
use crate::encoding::{Executed, Pass, Step};
use crate::held::{Notes, next_id};
use crate::ledger::{Class, Live};
use crate::object::{Owned, make};
use crate::queue::{Place, Queue};
use crate::residency::ResidencySet;
use crate::root::Root;
use crate::rules::fail;
use crate::time;

pub(crate) use descriptor::{CommandBufferDescriptor, Kind};
use pass_descriptor::{PassDescriptor, SampleAttachment, SampleAttachments};

/// A handler of a command buffer's scheduling or completion.
pub(crate) type Handler = RcBlock<dyn Fn(NonNull<ProtocolObject<dyn MTLCommandBuffer>>)>;
type HandlerArgument = *mut DynBlock<dyn Fn(NonNull<ProtocolObject<dyn MTLCommandBuffer>>)>;

/// Makes the classes that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = (
        CommandBufferDescriptor::class(),
        PassDescriptor::class(),
        SampleAttachment::class(),
        SampleAttachments::class(),
    );
}

/// What is recorded until the commit.
#[derive(Debug)]
struct Record {
    label: String,
    steps: Vec<Step>,
    /// With the encoder while one is open.
    notes: Option<Notes>,
    executed: Executed,
    sets: Vec<Retained<ResidencySet>>,
    groups: usize,
    /// Whether its place in the queue was reserved.
    enqueued: bool,
}

/// What happened since.
#[derive(Debug, Default)]
struct Progress {
    error: Option<Retained<NSError>>,
    start: u64,
    end: u64,
    scheduled_handlers: Vec<DebugHandler>,
    completed_handlers: Vec<DebugHandler>,
}

/// Blocks have nothing to show.
pub(crate) struct DebugHandler(pub(crate) Handler);

impl std::fmt::Debug for DebugHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

#[derive(Debug)]
pub(crate) struct CommandBufferIvars {
    id: u64,
    kind: Kind,
    queue: Retained<Queue>,
    status: AtomicUsize,
    record: RefCell<Record>,
    progress: Mutex<Progress>,
    changed: Condvar,
    place: Mutex<Option<Place>>,
    _live: Live,
}

impl Drop for CommandBufferIvars {
    fn drop(&mut self) {
        if self.record.get_mut().enqueued
            && self.status.load(SeqCst) == MTLCommandBufferStatus::Enqueued.0
        {
            self.queue.ivars().executor.forget(self.id);
        }
    }
}

macro_rules! place {
    ($selector:literal) => {
        concat!("-[_MTLCommandBuffer ", $selector, "]")
    };
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCommandBuffer"]
    #[ivars = CommandBufferIvars]
    #[derive(Debug)]
    pub(crate) struct CommandBuffer;

    unsafe impl NSObjectProtocol for CommandBuffer {}

    unsafe impl MTLCommandBuffer for CommandBuffer {
        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.device_object())
        }

        #[unsafe(method_id(commandQueue))]
        fn command_queue(&self) -> Owned<dyn MTLCommandQueue> {
            ProtocolObject::from_retained(self.ivars().queue.clone())
        }

        #[unsafe(method(retainedReferences))]
        fn retained_references(&self) -> bool {
            self.ivars().kind.retained
        }

        #[unsafe(method(errorOptions))]
        fn error_options(&self) -> MTLCommandBufferErrorOption {
            if self.ivars().kind.encoder_status {
                MTLCommandBufferErrorOption::EncoderExecutionStatus
            } else {
                MTLCommandBufferErrorOption::empty()
            }
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().record.borrow().label))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            self.ivars().record.borrow_mut().label =
                label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method(kernelStartTime))]
        fn kernel_start(&self) -> f64 {
            time::seconds(self.ivars().progress.lock().start)
        }

        #[unsafe(method(kernelEndTime))]
        fn kernel_end(&self) -> f64 {
            time::seconds(self.ivars().progress.lock().end)
        }

        #[unsafe(method(GPUStartTime))]
        fn gpu_start(&self) -> f64 {
            time::seconds(self.ivars().progress.lock().start)
        }

        #[unsafe(method(GPUEndTime))]
        fn gpu_end(&self) -> f64 {
            time::seconds(self.ivars().progress.lock().end)
        }

        #[unsafe(method(enqueue))]
        fn enqueue(&self) {
            let ivars = self.ivars();
            if ivars.status.load(SeqCst) != MTLCommandBufferStatus::NotEnqueued.0 {
                fail(
                    place!("enqueue"),
                    "enqueue called on a command buffer that is enqueued already",
                );
                return;
            }
            ivars
                .status
                .store(MTLCommandBufferStatus::Enqueued.0, SeqCst);
            ivars.record.borrow_mut().enqueued = true;
            ivars.queue.ivars().executor.enqueue(ivars.id);
        }

        #[unsafe(method(commit))]
        fn commit(&self) {
            self.commit_now();
        }

        #[unsafe(method(addScheduledHandler:))]
        fn add_scheduled_handler(&self, block: HandlerArgument) {
            if self.is_committed() {
                fail(
                    place!("addScheduledHandler:"),
                    "Scheduled handler provided after commit call",
                );
                return;
            }
            // SAFETY: the caller gives a block.
            if let Some(block) = unsafe { RcBlock::copy(block) } {
                self.ivars()
                    .progress
                    .lock()
                    .scheduled_handlers
                    .push(DebugHandler(block));
            }
        }

        #[unsafe(method(addCompletedHandler:))]
        fn add_completed_handler(&self, block: HandlerArgument) {
            if self.is_committed() {
                fail(
                    place!("addCompletedHandler:"),
                    "Completed handler provided after commit call",
                );
                return;
            }
            // SAFETY: the caller gives a block.
            if let Some(block) = unsafe { RcBlock::copy(block) } {
                self.ivars()
                    .progress
                    .lock()
                    .completed_handlers
                    .push(DebugHandler(block));
            }
        }

        #[unsafe(method(waitUntilScheduled))]
        fn wait_until_scheduled(&self) {
            self.wait(
                place!("waitUntilScheduled"),
                MTLCommandBufferStatus::Scheduled,
            );
        }

        #[unsafe(method(waitUntilCompleted))]
        fn wait_until_completed(&self) {
            self.wait(
                place!("waitUntilCompleted"),
                MTLCommandBufferStatus::Completed,
            );
        }

        #[unsafe(method(status))]
        fn status(&self) -> MTLCommandBufferStatus {
            MTLCommandBufferStatus(self.ivars().status.load(SeqCst))
        }

        #[unsafe(method_id(error))]
        fn error(&self) -> Option<Retained<NSError>> {
            self.ivars().progress.lock().error.clone()
        }

        #[unsafe(method_id(computeCommandEncoder))]
        fn compute_encoder(&self) -> Option<Owned<dyn MTLComputeCommandEncoder>> {
            self.open_compute(place!("computeCommandEncoder"), Pass::default())
        }

        #[unsafe(method_id(computeCommandEncoderWithDispatchType:))]
        fn compute_encoder_of_type(
            &self,
            kind: MTLDispatchType,
        ) -> Option<Owned<dyn MTLComputeCommandEncoder>> {
            let pass = Pass {
                concurrent: kind == MTLDispatchType::Concurrent,
                ..Pass::default()
            };
            self.open_compute(place!("computeCommandEncoderWithDispatchType:"), pass)
        }

        #[unsafe(method_id(computeCommandEncoderWithDescriptor:))]
        fn described_compute_encoder(
            &self,
            descriptor: &PassDescriptor,
        ) -> Option<Owned<dyn MTLComputeCommandEncoder>> {
            let place = place!("computeCommandEncoderWithDescriptor:");
            let concurrent =
                descriptor.ivars().dispatch_type.get() == MTLDispatchType::Concurrent.0;
            self.open_compute_sampled(
                place,
                Pass {
                    concurrent,
                    ..Pass::default()
                },
                descriptor,
            )
        }

        #[unsafe(method_id(blitCommandEncoder))]
        fn blit_encoder(&self) -> Option<Owned<dyn MTLBlitCommandEncoder>> {
            let notes = self.open(place!("blitCommandEncoder"));
            notes.map(|notes| ProtocolObject::from_retained(BlitEncoder::open(self, notes)))
        }

        #[unsafe(method(encodeWaitForEvent:value:))]
        fn encode_wait(&self, event: &AnyObject, value: u64) {
            self.encode_event(place!("encodeWaitForEvent:value:"), event, |event| {
                Step::Wait(event, value)
            });
        }

        #[unsafe(method(encodeSignalEvent:value:))]
        fn encode_signal(&self, event: &AnyObject, value: u64) {
            self.encode_event(place!("encodeSignalEvent:value:"), event, |event| {
                Step::Signal(event, value)
            });
        }

        #[unsafe(method(pushDebugGroup:))]
        fn push_debug_group(&self, _text: &NSString) {
            self.ivars().record.borrow_mut().groups += 1;
        }

        #[unsafe(method(popDebugGroup))]
        fn pop_debug_group(&self) {
            let mut record = self.ivars().record.borrow_mut();
            match record.groups.checked_sub(1) {
                Some(groups) => record.groups = groups,
                None => fail(
                    place!("popDebugGroup"),
                    "popDebugGroup called without a matching pushDebugGroup",
                ),
            }
        }

        #[unsafe(method(useResidencySet:))]
        fn use_set(&self, set: &ResidencySet) {
            self.ivars().record.borrow_mut().sets.push(set.retain());
        }

        #[unsafe(method(useResidencySets:count:))]
        fn use_sets(&self, sets: NonNull<NonNull<ResidencySet>>, count: usize) {
            for i in 0..count {
                // SAFETY: the caller gives so many sets.
                let set = unsafe { sets.add(i).read().as_ref() }.retain();
                self.ivars().record.borrow_mut().sets.push(set);
            }
        }
    }
);

// SAFETY: one thread at a time records, as Metal demands; after the commit everything that changes is atomic or behind a lock.
unsafe impl Send for CommandBuffer {}
// SAFETY: as above.
unsafe impl Sync for CommandBuffer {}

impl CommandBuffer {
    pub(crate) fn of(queue: &Queue, kind: Kind, place: Place) -> Retained<Self> {
        counts::count(Count::CommandBuffers);
        let id = next_id();
        let record = Record {
            label: String::new(),
            steps: Vec::new(),
            notes: Some(Notes::new(id, kind.retained)),
            executed: Vec::new(),
            sets: Vec::new(),
            groups: 0,
            enqueued: false,
        };
        let ivars = CommandBufferIvars {
            id,
            kind,
            queue: queue.retain(),
            status: AtomicUsize::new(MTLCommandBufferStatus::NotEnqueued.0),
            record: RefCell::new(record),
            progress: Mutex::default(),
            changed: Condvar::new(),
            place: Mutex::new(Some(place)),
            _live: Live::new(Class::CommandBuffer),
        };
        make::<CommandBuffer>(ivars)
    }

    pub(crate) fn device_object(&self) -> Retained<Device> {
        self.ivars().queue.device_object().clone()
    }
}
