use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::counters::Counters;
use crate::device::DeviceCore;
use crate::encoder::{Recording, Submitted};
use crate::error::Result;
use crate::memory::{Allocation, DeviceUse};
use crate::submission::{Record, Submission};

/// One submission's turn at the queue: nobody else submits meanwhile. It can consist of parts, which the device begins
/// to run one after the other while later ones are still being recorded.
pub(crate) struct Turn<'d> {
    core: &'d Arc<DeviceCore>,
    /// The number of the last part before this one.
    submitted: MutexGuard<'d, u64>,
    last: u64,
    record: Arc<Record>,
}

impl<'d> Turn<'d> {
    /// Waits for the turn of a submission of this many parts, at least one.
    pub(crate) fn begin(core: &'d Arc<DeviceCore>, parts: u64) -> Turn<'d> {
        let record = core.record();
        let submitted = core.submitted.lock();
        Turn {
            core,
            last: *submitted + parts,
            submitted,
            record,
        }
    }

    /// Notes what all parts together use; refused while the host has any of it mapped in a way that conflicts.
    pub(crate) fn claim<'a>(
        &self,
        mut uses: impl Iterator<Item = (&'a Allocation, DeviceUse)>,
    ) -> Result<()> {
        uses.try_for_each(|(allocation, used)| allocation.begin_device_use(self.last, used))
    }

    /// Submits the next part.
    pub(crate) fn submit(&mut self, mut recording: Box<Recording>) {
        *self.submitted += 1;
        self.core.counters.add(&Counters {
            residency_flushes: u64::from(self.core.residency.flush()),
            ..recording.counts_as_run()
        });
        recording.committed();
        self.hand_over(recording);
    }

    /// Ends the turn with nothing run, because what it uses was not granted. Some of that was, and waits for its end.
    pub(crate) fn cancel(mut self, mut recording: Box<Recording>) {
        recording.reset();
        *self.submitted = self.last;
        self.hand_over(recording);
    }

    fn hand_over(&self, mut recording: Box<Recording>) {
        recording.submitted = Some(Submitted {
            number: *self.submitted,
            is_last: *self.submitted == self.last,
            core: self.core.clone(),
            record: self.record.clone(),
            started: None,
            ended: None,
        });
        self.core.backend.submit(recording);
    }

    /// The handle, once all parts are submitted.
    pub(crate) fn end(self) -> Submission {
        debug_assert_eq!(*self.submitted, self.last);
        Submission::new(self.core.clone(), self.record, self.last)
    }
}
