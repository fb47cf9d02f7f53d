use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::access::Access;
use crate::backend::{self, Bound};
use crate::counters::Counters;
use crate::device::DeviceCore;
use crate::encoder::retain::{Kept, Retained};
use crate::encoder::{BarrierCause, Checked, USUAL_BINDINGS, Waves, counter};
use crate::error::{Fault, SubmissionFailure};
use crate::kernel::Kernel;
use crate::memory::{Allocation, BufferView, DeviceUse};
use crate::panics;
use crate::profile::{Dispatched, Ending, Notes, SubmissionTrace};
use crate::submission::{GpuTimes, Record};

/// Everything an encoder fills and a submission carries, used again for later encoders so that a steady
/// loop of submissions allocates nothing.
pub(crate) struct Recording {
    pub(crate) native: Box<dyn backend::Encoder>,
    pub(crate) label: String,
    pub(crate) waves: Waves,
    pub(crate) retained: Retained,
    pub(crate) retains: bool,
    pub(crate) counts: Counters,
    /// What is noted of it for a profile, if anything is.
    notes: Option<Box<Notes>>,
    /// What it launches, if it does.
    launched: Option<Arc<Launched>>,
    /// Set by the commit.
    pub(crate) submitted: Option<Submitted>,
}

/// Prepared commands, and what they use.
#[derive(Default)]
pub(crate) struct Launched {
    pub(crate) parts: Vec<Arc<dyn backend::Prepared>>,
    pub(crate) kept: Arc<Kept>,
    /// What each launch counts as.
    pub(crate) counts: Counters,
}

pub(crate) struct Submitted {
    pub(crate) number: u64,
    pub(crate) core: Arc<DeviceCore>,
    pub(crate) record: Arc<Record>,
    /// Whether nothing else of the submission comes after this.
    pub(crate) is_last: bool,
    pub(crate) started: Option<Instant>,
    pub(crate) ended: Option<Instant>,
}

/// Where and how a submission failed.
pub(crate) struct Outcome {
    pub(crate) kernel: Box<str>,
    pub(crate) scope: Box<str>,
    pub(crate) fault: Fault,
}

impl Recording {
    pub(crate) fn new(native: Box<dyn backend::Encoder>) -> Box<Recording> {
        Box::new(Recording {
            native,
            label: String::new(),
            waves: Waves::default(),
            retained: Retained::default(),
            retains: true,
            counts: Counters::default(),
            notes: None,
            launched: None,
            submitted: None,
        })
    }

    /// Runs one dispatch after the other. Called while this is empty.
    pub(crate) fn run_serially(&mut self) {
        self.native.run_serially();
    }

    /// Notes what is encoded from now on. Called while this is empty.
    pub(crate) fn note(&mut self, notes: Notes) {
        if notes.has_dispatches() {
            self.native.time();
        }
        self.notes = Some(Box::new(notes));
    }

    #[inline]
    pub(crate) fn note_dispatch(&mut self, kernel: &Kernel, checked: &Checked<'_>) {
        if self.notes.is_some() {
            self.noted_dispatch(kernel, checked);
        }
    }

    #[cold]
    fn noted_dispatch(&mut self, kernel: &Kernel, checked: &Checked<'_>) {
        if let Some(notes) = &mut self.notes
            && notes.has_dispatches()
        {
            let standing = self.waves.standing();
            let bindings = kernel.interface().bindings().iter();
            let bound = bindings.zip(&checked.bound);
            let bound = bound.map(|(binding, bound)| (binding.slot, bound.range.len()));
            let bound: SmallVec<[_; USUAL_BINDINGS]> = bound.collect();
            let threads = match checked.groups {
                backend::Groups::Direct { threads, .. } => threads,
                backend::Groups::Indirect(_) => [0; 3],
            };
            let call = Dispatched::new(checked.inline, &bound, threads);
            notes.dispatch(kernel, &call, standing);
        }
    }

    pub(crate) fn note_native(&mut self, name: &str) {
        if let Some(notes) = &mut self.notes
            && notes.has_dispatches()
        {
            notes.native(name, self.waves.standing());
        }
    }

    pub(crate) fn push_scope(&mut self, label: &str) {
        self.native.push_scope(label);
        if let Some(notes) = &mut self.notes {
            notes.push_scope(label);
        }
    }

    pub(crate) fn pop_scope(&mut self) {
        self.native.pop_scope();
        if let Some(notes) = &mut self.notes {
            notes.pop_scope();
        }
    }

    /// Makes this, which is empty, a launch with these updates and fetch.
    pub(crate) fn launch(
        &mut self,
        launched: Arc<Launched>,
        updates: &[(&BufferView, &[u8])],
        fetch: Option<&BufferView>,
    ) {
        let bind = |view, access| Bound {
            view,
            range: view.range,
            access,
        };
        let updates = updates.iter();
        let updates = updates.map(|(view, bytes)| (bind(view, Access::Write), *bytes));
        let updates: SmallVec<[_; 4]> = updates.collect();
        let fetch = fetch.map(|view| bind(view, Access::Read));
        self.native.launch(&backend::Launch {
            parts: &launched.parts,
            updates: &updates,
            fetch,
        });
        for bound in updates.iter().map(|(target, _)| target).chain(&fetch) {
            self.retained.include(bound.view, bound.access);
        }
        self.keep(launched);
    }

    /// Keeps what `launched` uses, and counts as what it does.
    pub(crate) fn keep(&mut self, launched: Arc<Launched>) {
        self.counts = launched.counts;
        self.launched = Some(launched);
    }

    /// How many dispatches it runs.
    pub(crate) fn dispatches(&self) -> u64 {
        self.counts.dispatches + u64::from(self.waves.dispatches())
    }

    /// What it adds to the device's counters.
    pub(crate) fn counts_as_run(&self) -> Counters {
        Counters {
            submissions: 1,
            dispatches: self.dispatches(),
            ..self.counts
        }
    }

    /// When its encoder was opened, if that was noted.
    pub(crate) fn opened(&self) -> Option<Instant> {
        self.notes.as_ref().map(|notes| notes.opened)
    }

    /// Notes that it is being submitted.
    pub(crate) fn committed(&mut self) {
        if let Some(notes) = &mut self.notes {
            notes.committed = Some(Instant::now());
        }
    }

    /// What it uses. An allocation can come twice.
    pub(crate) fn allocations(&self) -> impl Iterator<Item = (&Allocation, DeviceUse)> {
        let launched = self.launched.iter();
        let launched = launched.flat_map(|launched| launched.kept.allocations());
        self.retained.kept().allocations().chain(launched)
    }

    /// Counts what is about to be recorded.
    pub(crate) fn count_step(&mut self) {
        if !self.waves.at_start() {
            self.counts.barriers_elided += 1;
        }
    }

    /// Keeps what a step uses, if anything is kept.
    pub(crate) fn retain(&mut self, view: &BufferView, access: Access) {
        if self.retains {
            self.retained.include(view, access);
        }
    }

    pub(crate) fn barrier(&mut self, cause: BarrierCause) {
        self.native.barrier();
        *counter(&mut self.counts, &cause) += 1;
        self.waves.barrier(cause);
    }

    /// Notes that the device begins to run it.
    pub(crate) fn start(&mut self) {
        if let Some(submitted) = &mut self.submitted {
            submitted.started = Some(Instant::now());
        }
    }

    /// Whether it comes after a part of the same submission that has failed, and so should not run.
    pub(crate) fn is_void(&self) -> bool {
        let submitted = self.submitted.as_ref();
        submitted.is_some_and(|submitted| submitted.record.has_failed())
    }

    /// Notes that it will fail, so that what comes after it does not run.
    pub(crate) fn give_up(&self) {
        if let Some(submitted) = &self.submitted {
            submitted.record.give_up();
        }
    }

    /// The number of the submission.
    pub(crate) fn number(&self) -> u64 {
        self.submitted
            .as_ref()
            .map_or(0, |submitted| submitted.number)
    }

    /// Notes when the device ran it, just before it is completed.
    pub(crate) fn ran(&mut self, [started, ended]: [Instant; 2]) {
        if let Some(submitted) = &mut self.submitted {
            submitted.started = Some(started);
            submitted.ended = Some(ended);
        }
    }

    /// Notes that the device has run it, or why it could not, gives its resources back and wakes whoever
    /// waits.
    pub(crate) fn complete(mut self: Box<Recording>, outcome: Result<(), Box<Outcome>>) {
        let Some(Submitted {
            number,
            core,
            record,
            is_last,
            started,
            ended,
        }) = self.submitted.take()
        else {
            unreachable!("only submitted recordings run");
        };
        let completed = Instant::now();
        let ended = ended.unwrap_or(completed);
        let started = started.unwrap_or(ended);
        let failure = outcome.err().map(|outcome| {
            Arc::new(SubmissionFailure {
                number,
                label: self.label.as_str().into(),
                kernel: outcome.kernel,
                scope: outcome.scope,
                elapsed: ended - started,
                fault: outcome.fault,
            })
        });
        tracing::debug!(
            name: "submission",
            number,
            label = self.label.as_str(),
            dispatches = self.dispatches(),
            device_ns = (ended - started).as_nanos() as u64,
            failed = failure.is_some(),
        );
        let times = GpuTimes {
            start: core.since_opened(started),
            end: core.since_opened(ended),
        };
        let fetched = match failure {
            None => self.native.fetched(),
            Some(_) => &[],
        };
        if let Some(mut notes) = self.notes.take() {
            if notes.has_dispatches() {
                let mut timings = Vec::with_capacity(notes.dispatches.len());
                let parts = self.launched.iter().flat_map(|launched| &launched.parts);
                parts.for_each(|part| part.timings(&mut timings));
                self.native.timings(&mut timings);
                notes.timed(&timings, &core);
            }
            let ending = Ending {
                number,
                label: &self.label,
                device: times,
                failed: failure.is_some(),
                counters: self.counts_as_run(),
                completed: core.since_opened(completed),
            };
            let trace = SubmissionTrace::of(*notes, &ending, &core);
            if let Some(whole) = record.trace(trace, is_last) {
                core.tape.submission(&whole);
            }
        }
        let failure = record.finish(times, failure, fetched);
        for (allocation, used) in self.allocations() {
            if used.writes {
                allocation.end_device_write(failure.as_ref());
            }
        }
        // Drops what callers own, such as imported memory.
        panics::contain(|| core.recycle(self));
        if is_last {
            core.spare_record(record);
        }
        // Whoever waits may drop the device then, and should be the last who holds it.
        let timeline = core.timeline.clone();
        drop(core);
        timeline.complete(number);
    }

    /// Forgets everything recorded and keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.native.reset();
        self.label.clear();
        self.waves.reset();
        self.retained.clear();
        self.counts = Counters::default();
        self.notes = None;
        self.launched = None;
        self.submitted = None;
    }
}
