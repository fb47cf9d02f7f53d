//! Encoders and events of a command buffer, until its commit.

use std::sync::atomic::Ordering::SeqCst;

use objc2::runtime::{AnyObject, ProtocolObject};
use objc2::{DefinedClass, Message};
use objc2_metal::{MTLCommandBufferStatus, MTLComputeCommandEncoder, MTLCounterDontSample};

use super::{CommandBuffer, PassDescriptor};
use crate::compute_encoder::ComputeEncoder;
use crate::counts::{self, Count};
use crate::encoding::{Executed, Pass, SampleAt, Step};
use crate::event;
use crate::executor::Committed;
use crate::faults::{self};
use crate::held::Notes;
use crate::object::Owned;
use crate::order;
use crate::residency::Resident;
use crate::rules::fail;
use crate::settings;

impl CommandBuffer {
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

    pub(super) fn is_committed(&self) -> bool {
        self.ivars().status.load(SeqCst) >= MTLCommandBufferStatus::Committed.0
    }

    /// Lends the notes to a new encoder.
    pub(super) fn open(&self, place: &str) -> Option<Notes> {
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

    pub(super) fn open_compute(
        &self,
        place: &str,
        pass: Pass,
    ) -> Option<Owned<dyn MTLComputeCommandEncoder>> {
        let notes = self.open(place)?;
        Some(ProtocolObject::from_retained(ComputeEncoder::open(
            self, notes, pass,
        )))
    }

    pub(super) fn open_compute_sampled(
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

    pub(super) fn encode_event(
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

    pub(super) fn commit_now(&self) {
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
}
