//! Command buffers: from encoders, through commit, to the end.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use block2::{DynBlock, RcBlock};
use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class, msg_send};
use objc2_foundation::{NSArray, NSError, NSString};
use objc2_metal::{
    MTLBlitCommandEncoder, MTLCommandBuffer, MTLCommandBufferEncoderInfo,
    MTLCommandBufferErrorOption, MTLCommandBufferStatus, MTLCommandEncoderErrorState,
    MTLCommandQueue, MTLComputeCommandEncoder, MTLCounterDontSample, MTLDevice, MTLDispatchType,
};
use parking_lot::{Condvar, Mutex};

use crate::blit_encoder::BlitEncoder;
use crate::compute_encoder::ComputeEncoder;
use crate::counters::SampleBuffer;
use crate::counts::{self, Count};
use crate::device::Device;
use crate::encoding::{Executed, Pass, SampleAt, Step};
use crate::errors;
use crate::event;
use crate::executor::Committed;
use crate::faults::{self, CommandBufferFault};
use crate::held::{Notes, next_id};
use crate::ledger::{Class, Live};
use crate::object::{Owned, made_by_name, make};
use crate::order;
use crate::queue::{Place, Queue};
use crate::residency::{ResidencySet, Resident};
use crate::root::Root;
use crate::rules::fail;
use crate::settings;
use crate::time;

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

/// How a command buffer is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) retained: bool,
    /// Whether an error tells which encoders ran.
    pub(crate) encoder_status: bool,
}

#[derive(Debug)]
pub(crate) struct Described {
    retained: Cell<bool>,
    options: Cell<usize>,
}

impl Default for Described {
    fn default() -> Self {
        Self {
            retained: Cell::new(true),
            options: Cell::new(0),
        }
    }
}

made_by_name!(
    CommandBufferDescriptor,
    "MTLCommandBufferDescriptor",
    Described,
    {
        #[unsafe(method(retainedReferences))]
        fn retained(&self) -> bool {
            self.ivars().retained.get()
        }

        #[unsafe(method(setRetainedReferences:))]
        fn set_retained(&self, on: bool) {
            self.ivars().retained.set(on);
        }

        #[unsafe(method(errorOptions))]
        fn options(&self) -> MTLCommandBufferErrorOption {
            MTLCommandBufferErrorOption::from_bits_retain(self.ivars().options.get())
        }

        #[unsafe(method(setErrorOptions:))]
        fn set_options(&self, options: MTLCommandBufferErrorOption) {
            self.ivars().options.set(options.bits());
        }
    }
);

impl CommandBufferDescriptor {
    pub(crate) fn kind(&self) -> Kind {
        let status = MTLCommandBufferErrorOption::EncoderExecutionStatus.bits();
        Kind {
            retained: self.ivars().retained.get(),
            encoder_status: self.ivars().options.get() & status != 0,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Attachment {
    samples: RefCell<Option<Retained<SampleBuffer>>>,
    start: Cell<usize>,
    end: Cell<usize>,
}

made_by_name!(
    SampleAttachment,
    "MTLComputePassSampleBufferAttachmentDescriptor",
    Attachment,
    {
        #[unsafe(method_id(sampleBuffer))]
        fn samples(&self) -> Option<Retained<SampleBuffer>> {
            self.ivars().samples.borrow().clone()
        }

        #[unsafe(method(setSampleBuffer:))]
        fn set_samples(&self, samples: Option<&SampleBuffer>) {
            *self.ivars().samples.borrow_mut() = samples.map(Message::retain);
        }

        #[unsafe(method(startOfEncoderSampleIndex))]
        fn start(&self) -> usize {
            self.ivars().start.get()
        }

        #[unsafe(method(setStartOfEncoderSampleIndex:))]
        fn set_start(&self, index: usize) {
            self.ivars().start.set(index);
        }

        #[unsafe(method(endOfEncoderSampleIndex))]
        fn end(&self) -> usize {
            self.ivars().end.get()
        }

        #[unsafe(method(setEndOfEncoderSampleIndex:))]
        fn set_end(&self, index: usize) {
            self.ivars().end.set(index);
        }
    }
);

/// Attachments of a pass.
const ATTACHMENTS: usize = 4;

made_by_name!(
    SampleAttachments,
    "MTLComputePassSampleBufferAttachmentDescriptorArray",
    RefCell<Vec<Retained<SampleAttachment>>>,
    {
        #[unsafe(method_id(objectAtIndexedSubscript:))]
        fn at(&self, index: usize) -> Retained<SampleAttachment> {
            if index >= ATTACHMENTS {
                fail(
                    "-[MTLComputePassSampleBufferAttachmentDescriptorArrayInternal objectAtIndexedSubscript:]",
                    format_args!("index ({index}) must be < {ATTACHMENTS}"),
                );
            }
            let index = index.min(ATTACHMENTS - 1);
            let mut attachments = self.ivars().borrow_mut();
            while attachments.len() <= index {
                // SAFETY: new takes nothing and returns the object.
                attachments.push(unsafe { msg_send![SampleAttachment::class(), new] });
            }
            attachments[index].clone()
        }
    }
);

#[derive(Debug, Default)]
pub(crate) struct PassProperties {
    dispatch_type: Cell<usize>,
    attachments: RefCell<Option<Retained<SampleAttachments>>>,
}

made_by_name!(
    PassDescriptor,
    "MTLComputePassDescriptor",
    PassProperties,
    {
        #[unsafe(method_id(computePassDescriptor))]
        fn make() -> Retained<PassDescriptor> {
            // SAFETY: new takes nothing and returns the object.
            unsafe { msg_send![PassDescriptor::class(), new] }
        }

        #[unsafe(method(dispatchType))]
        fn dispatch_type(&self) -> MTLDispatchType {
            MTLDispatchType(self.ivars().dispatch_type.get())
        }

        #[unsafe(method(setDispatchType:))]
        fn set_dispatch_type(&self, kind: MTLDispatchType) {
            self.ivars().dispatch_type.set(kind.0);
        }

        #[unsafe(method_id(sampleBufferAttachments))]
        fn attachments(&self) -> Retained<SampleAttachments> {
            let mut attachments = self.ivars().attachments.borrow_mut();
            // SAFETY: new takes nothing and returns the object.
            attachments
                .get_or_insert_with(|| unsafe { msg_send![SampleAttachments::class(), new] })
                .clone()
        }
    }
);

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

    /// Takes an ended encoder's work.
    pub(crate) fn encoder_ended(&self, step: Step, notes: Notes, executed: Executed) {
        let mut record = self.ivars().record.borrow_mut();
        record.steps.push(step);
        record.notes = Some(notes);
        record.executed.extend(executed);
    }

    /// An encoder went without ending: its work is lost.
    pub(crate) fn abandon_encoder(&self) {
        let ivars = self.ivars();
        ivars.record.borrow_mut().notes = Some(Notes::new(ivars.id, ivars.kind.retained));
    }

    fn is_committed(&self) -> bool {
        self.ivars().status.load(SeqCst) >= MTLCommandBufferStatus::Committed.0
    }

    /// Lends the notes to a new encoder.
    fn open(&self, place: &str) -> Option<Notes> {
        if self.is_committed() {
            fail(
                place,
                "cannot create an encoder on a command buffer that is committed",
            );
            return None;
        }
        let notes = self.ivars().record.borrow_mut().notes.take();
        if notes.is_none() {
            fail(
                place,
                "A command encoder is already encoding to this command buffer",
            );
        }
        notes
    }

    fn open_compute(&self, place: &str, pass: Pass) -> Option<Owned<dyn MTLComputeCommandEncoder>> {
        let notes = self.open(place)?;
        Some(ProtocolObject::from_retained(ComputeEncoder::open(
            self, notes, pass,
        )))
    }

    fn open_compute_sampled(
        &self,
        place: &str,
        mut pass: Pass,
        descriptor: &PassDescriptor,
    ) -> Option<Owned<dyn MTLComputeCommandEncoder>> {
        let mut notes = self.open(place)?;
        let attachments = descriptor.ivars().attachments.borrow();
        for attachment in attachments
            .iter()
            .flat_map(|all| all.ivars().borrow().clone())
        {
            let attachment = attachment.ivars();
            let Some(samples) = attachment.samples.borrow().clone() else {
                continue;
            };
            let count = samples.samples().len();
            let index = |name: &str, index: usize| {
                if index == MTLCounterDontSample {
                    return None;
                }
                if index >= count {
                    fail(
                        place,
                        format_args!(
                            "{name} ({index}) must be < the sample buffer's sampleCount ({count})"
                        ),
                    );
                    return None;
                }
                Some(index)
            };
            let start = index("startOfEncoderSampleIndex", attachment.start.get());
            let end = index("endOfEncoderSampleIndex", attachment.end.get());
            if start.is_some() && start == end {
                fail(
                    place,
                    "startOfEncoderSampleIndex and endOfEncoderSampleIndex must differ",
                );
            }
            pass.samples.push(SampleAt {
                samples: notes.note(samples.samples()),
                start,
                end,
            });
        }
        Some(ProtocolObject::from_retained(ComputeEncoder::open(
            self, notes, pass,
        )))
    }

    fn encode_event(
        &self,
        place: &str,
        event: &AnyObject,
        step: impl FnOnce(crate::held::Ref<event::EventCore>) -> Step,
    ) {
        if self.is_committed() {
            fail(place, "the command buffer is committed");
            return;
        }
        let Some(core) = event::core_of(event) else {
            fail(place, format_args!("{} is not an event", event.class()));
            return;
        };
        let mut record = self.ivars().record.borrow_mut();
        let Some(notes) = record.notes.as_mut() else {
            fail(
                place,
                "an encoder is open: events are encoded between encoders",
            );
            return;
        };
        let step = step(notes.note(core));
        record.steps.push(step);
    }

    fn commit_now(&self) {
        const PLACE: &str = "-[IOGPUMetalCommandBuffer validate]";
        let ivars = self.ivars();
        if self.is_committed() {
            fail(PLACE, "commit an already committed command buffer");
            return;
        }
        let mut record = ivars.record.borrow_mut();
        let Some(notes) = record.notes.take() else {
            fail(PLACE, "commit command buffer with uncommitted encoder");
            return;
        };
        if record.groups > 0 {
            fail(
                PLACE,
                "a debug group of the command buffer was pushed and not popped before commit",
            );
        }
        counts::count(Count::Commits);
        let resident: Vec<Resident> = ivars
            .queue
            .resident()
            .into_iter()
            .chain(record.sets.iter().map(|set| set.resident()))
            .collect();
        for indirect in &record.executed {
            indirect.committed();
        }
        let steps = std::mem::take(&mut record.steps);
        let passes = steps.iter().filter(|step| step.is_pass()).count() as u64;
        let known = if settings::hazards() {
            order::commit(passes)
        } else {
            order::Known::default()
        };
        let committed = Committed {
            command_buffer: self.retain(),
            steps,
            known,
            passes,
            resident,
            executed: std::mem::take(&mut record.executed),
            sets: std::mem::take(&mut record.sets),
            fault: faults::take_command_buffer_fault(),
            watch: settings::hazards(),
            notes,
        };
        drop(record);
        ivars
            .status
            .store(MTLCommandBufferStatus::Committed.0, SeqCst);
        ivars.queue.ivars().executor.commit(ivars.id, committed);
    }

    fn wait(&self, place: &str, status: MTLCommandBufferStatus) {
        let ivars = self.ivars();
        if !self.is_committed() {
            fail(
                place,
                "the command buffer was not committed: this would wait for ever",
            );
            return;
        }
        let mut progress = ivars.progress.lock();
        while ivars.status.load(SeqCst) < status.0 {
            ivars.changed.wait(&mut progress);
        }
    }

    /// The queue's thread starts to work on it.
    pub(crate) fn scheduled(&self) {
        let handlers = {
            let mut progress = self.ivars().progress.lock();
            self.ivars()
                .status
                .store(MTLCommandBufferStatus::Scheduled.0, SeqCst);
            self.ivars().changed.notify_all();
            std::mem::take(&mut progress.scheduled_handlers)
        };
        self.call(handlers);
    }

    /// The time at which the GPU started on it.
    pub(crate) fn started(&self, at: u64) {
        self.ivars().progress.lock().start = at;
    }

    /// The work has ended. The handlers to call come back: waiters are not kept waiting for them.
    pub(crate) fn ended(
        &self,
        at: u64,
        fault: Option<&CommandBufferFault>,
        labels: &[(String, Vec<String>)],
        ran: usize,
    ) -> Vec<DebugHandler> {
        let ivars = self.ivars();
        let error = fault.map(|fault| self.error_of(fault, labels, ran));
        let mut progress = ivars.progress.lock();
        progress.end = at;
        let status = if error.is_some() {
            MTLCommandBufferStatus::Error
        } else {
            MTLCommandBufferStatus::Completed
        };
        progress.error = error;
        // The room is free before a waiter can find it full.
        drop(ivars.place.lock().take());
        ivars.status.store(status.0, SeqCst);
        ivars.changed.notify_all();
        std::mem::take(&mut progress.completed_handlers)
    }

    /// Calls handlers with this command buffer.
    pub(crate) fn call(&self, handlers: Vec<DebugHandler>) {
        let me: &ProtocolObject<dyn MTLCommandBuffer> = ProtocolObject::from_ref(self);
        for handler in handlers {
            handler.0.call((NonNull::from(me),));
        }
    }

    fn error_of(
        &self,
        fault: &CommandBufferFault,
        labels: &[(String, Vec<String>)],
        ran: usize,
    ) -> Retained<NSError> {
        const DOMAIN: &str = "MTLCommandBufferErrorDomain";
        if !self.ivars().kind.encoder_status {
            return errors::error(DOMAIN, fault.code.cast_signed(), &fault.text, &[]);
        }
        let infos: Vec<Retained<EncoderInfo>> = labels
            .iter()
            .enumerate()
            .map(|(i, (label, signposts))| {
                let state = match i.cmp(&ran) {
                    std::cmp::Ordering::Less => MTLCommandEncoderErrorState::Completed,
                    std::cmp::Ordering::Equal => MTLCommandEncoderErrorState::Faulted,
                    std::cmp::Ordering::Greater => MTLCommandEncoderErrorState::Pending,
                };
                make::<EncoderInfo>(Info {
                    label: label.clone(),
                    signposts: signposts.clone(),
                    state,
                })
            })
            .collect();
        let infos = NSArray::from_retained_slice(&infos);
        let key = NSString::from_str("MTLCommandBufferEncoderInfoErrorKey");
        errors::error(
            DOMAIN,
            fault.code.cast_signed(),
            &fault.text,
            &[(&key, &infos)],
        )
    }
}

#[derive(Debug)]
pub(crate) struct Info {
    label: String,
    signposts: Vec<String>,
    state: MTLCommandEncoderErrorState,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCommandBufferEncoderInfo"]
    #[ivars = Info]
    #[derive(Debug)]
    pub(crate) struct EncoderInfo;

    unsafe impl NSObjectProtocol for EncoderInfo {}

    unsafe impl MTLCommandBufferEncoderInfo for EncoderInfo {
        #[unsafe(method_id(label))]
        fn label(&self) -> Retained<NSString> {
            NSString::from_str(&self.ivars().label)
        }

        #[unsafe(method_id(debugSignposts))]
        fn signposts(&self) -> Retained<NSArray<NSString>> {
            let texts: Vec<_> = self
                .ivars()
                .signposts
                .iter()
                .map(|text| NSString::from_str(text))
                .collect();
            NSArray::from_retained_slice(&texts)
        }

        #[unsafe(method(errorState))]
        fn state(&self) -> MTLCommandEncoderErrorState {
            self.ivars().state
        }
    }
);
