//! Work that was committed, and how to learn that it is done.

use core::fmt;
use core::future::{Future, IntoFuture};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::{AnyBitPattern, NoUninit};
use parking_lot::Mutex;

use crate::device::DeviceCore;
use crate::error::{Error, Result, SubmissionFailure};
use crate::profile::SubmissionTrace;
use crate::timeline::Ticket;

/// A committed encoder. Dropping the handle does not wait and does not cancel.
pub struct Submission {
    core: Arc<DeviceCore>,
    record: Arc<Record>,
    number: u64,
}

/// What is known of one submission, whose parts end one after the other. Used again once nobody holds a handle.
#[derive(Default)]
pub(crate) struct Record {
    finished: Mutex<Finished>,
}

#[derive(Default)]
struct Finished {
    times: Option<GpuTimes>,
    failure: Option<Arc<SubmissionFailure>>,
    /// Whether a part will fail that has not been finished yet.
    gave_up: bool,
    fetched: Vec<u8>,
    trace: Option<Trace>,
}

/// What was noted of the parts that have ended, or of all.
enum Trace {
    Parts(Box<SubmissionTrace>),
    Whole(Arc<SubmissionTrace>),
}

/// When the device ran a submission, counted from when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuTimes {
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
}

impl Record {
    /// Adds how the next part ended; gives the first failure so far.
    pub(crate) fn finish(
        &self,
        times: GpuTimes,
        failure: Option<Arc<SubmissionFailure>>,
        fetched: &[u8],
    ) -> Option<Arc<SubmissionFailure>> {
        let mut finished = self.finished.lock();
        let start = finished.times.map_or(times.start, |times| times.start);
        finished.times = Some(GpuTimes { start, ..times });
        if finished.failure.is_none() {
            finished.failure = failure;
        }
        finished.fetched.extend_from_slice(fetched);
        finished.failure.clone()
    }

    /// Adds what was noted of the next part; gives what was noted of all with the last.
    pub(crate) fn trace(
        &self,
        part: SubmissionTrace,
        is_last: bool,
    ) -> Option<Arc<SubmissionTrace>> {
        let mut finished = self.finished.lock();
        let mut parts = match finished.trace.take() {
            Some(Trace::Parts(mut parts)) => {
                parts.append(part);
                parts
            }
            _ => Box::new(part),
        };
        if !is_last {
            finished.trace = Some(Trace::Parts(parts));
            return None;
        }
        parts.settle();
        let whole = Arc::new(*parts);
        finished.trace = Some(Trace::Whole(whole.clone()));
        Some(whole)
    }

    /// Whether a part has failed, or will.
    pub(crate) fn has_failed(&self) -> bool {
        let finished = self.finished.lock();
        finished.gave_up || finished.failure.is_some()
    }

    pub(crate) fn give_up(&self) {
        self.finished.lock().gave_up = true;
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn reset(&mut self) {
        let finished = self.finished.get_mut();
        finished.times = None;
        finished.failure = None;
        finished.gave_up = false;
        finished.fetched.clear();
        finished.trace = None;
    }
}

impl Submission {
    pub(crate) fn new(core: Arc<DeviceCore>, record: Arc<Record>, number: u64) -> Submission {
        Submission {
            core,
            record,
            number,
        }
    }

    /// Blocks until the submission has completed.
    ///
    /// # Errors
    /// [`Error::Submission`] when it failed; every call reports it.
    pub fn wait(&self) -> Result<()> {
        self.core.wait_for(self.number, None)?;
        self.result()
    }

    /// Blocks until the submission has completed, but no longer than `timeout`; whether it has.
    ///
    /// # Errors
    /// [`Error::Submission`] when it failed.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        // A timeout beyond what an `Instant` can hold is no timeout.
        match self
            .core
            .wait_for(self.number, Instant::now().checked_add(timeout))?
        {
            true => self.result().map(|()| true),
            false => Ok(false),
        }
    }

    /// Whether the submission has completed, well or not.
    pub fn is_complete(&self) -> bool {
        self.core.timeline.is_complete(self.number)
    }

    /// Its number on the device's queue: 1 for the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How long the device ran it; `None` until it has completed.
    pub fn gpu_time(&self) -> Option<Duration> {
        self.gpu_times().map(|times| times.end - times.start)
    }

    /// When the device began and ended it; `None` until it has completed.
    pub fn gpu_times(&self) -> Option<GpuTimes> {
        // Parts may have ended when the submission has not.
        let times = self.record.finished.lock().times;
        times.filter(|_| self.is_complete())
    }

    /// What was noted of it, after waiting for it, well or not; `None` where it was to be
    /// [`ProfileLevel::Off`](crate::ProfileLevel::Off).
    pub fn trace(&self) -> Option<Arc<SubmissionTrace>> {
        // Whether it failed is in the trace.
        let _ = self.wait();
        match &self.record.finished.lock().trace {
            Some(Trace::Whole(whole)) => Some(whole.clone()),
            _ => None,
        }
    }

    /// The bytes that the launch fetched, after waiting for it; none if it was to fetch none.
    ///
    /// # Errors
    /// [`Error::Submission`] when it failed, [`Error::Element`] when the bytes are no whole number of elements.
    pub fn fetched<T: NoUninit + AnyBitPattern>(&self) -> Result<Vec<T>> {
        self.wait()?;
        let finished = self.record.finished.lock();
        let bytes = finished.fetched.len();
        let (size, align) = (size_of::<T>(), align_of::<T>());
        if size == 0 || !bytes.is_multiple_of(size) {
            let len = bytes as u64;
            return Err(Error::Element {
                offset: 0,
                len,
                size,
                align,
            });
        }
        let mut values = vec![T::zeroed(); bytes / size];
        bytemuck::cast_slice_mut::<T, u8>(&mut values).copy_from_slice(&finished.fetched);
        Ok(values)
    }

    /// As [`Submission::fetched`], into memory of the caller's.
    ///
    /// # Errors
    /// [`Error::Submission`] when it failed, [`Error::LengthMismatch`] when another number of bytes was fetched.
    pub fn fetched_into<T: NoUninit + AnyBitPattern>(&self, values: &mut [T]) -> Result<()> {
        self.wait()?;
        let finished = self.record.finished.lock();
        let target: &mut [u8] = bytemuck::cast_slice_mut(values);
        if target.len() != finished.fetched.len() {
            return Err(Error::LengthMismatch {
                what: "fetched memory",
                given: target.len() as u64,
                len: finished.fetched.len() as u64,
            });
        }
        target.copy_from_slice(&finished.fetched);
        Ok(())
    }

    fn result(&self) -> Result<()> {
        match self.record.finished.lock().failure.clone() {
            None => Ok(()),
            Some(failure) => Err(Error::Submission(failure)),
        }
    }
}

impl IntoFuture for Submission {
    type Output = Result<()>;
    type IntoFuture = SubmissionFuture;

    fn into_future(self) -> SubmissionFuture {
        SubmissionFuture {
            submission: self,
            ticket: None,
        }
    }
}

/// Completes when its submission has, on any executor.
#[derive(Debug)]
pub struct SubmissionFuture {
    submission: Submission,
    /// The waker of the last poll, while it waits.
    ticket: Option<Ticket>,
}

impl Future for SubmissionFuture {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Submission { core, number, .. } = &self.submission;
        let waker = context.waker();
        self.ticket = core.timeline.register(*number, self.ticket, waker);
        match self.ticket {
            Some(_) => Poll::Pending,
            None => Poll::Ready(self.submission.result()),
        }
    }
}

impl Drop for SubmissionFuture {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.submission.core.timeline.unregister(ticket);
        }
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_complete() {
            "complete"
        } else {
            "running"
        };
        write!(f, "Submission {} ({state})", self.number)
    }
}
