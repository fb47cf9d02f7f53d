//! Watching a device for a while.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::counters::Counters;
use crate::device::{Device, DeviceCore};
use crate::error::{Error, Result};
use crate::profile::{HostSpan, ProfileLevel, SubmissionTrace, Trace};

/// Gathers what a device and its callers do, from [`Device::record`] until [`Recorder::finish`]; dropping it forgets
/// everything. What it gathers grows with every submission.
pub struct Recorder {
    device: Device,
    level: ProfileLevel,
    start: Instant,
    before: Counters,
    is_running: bool,
}

/// Where a device puts what a recorder gathers.
#[derive(Default)]
pub(crate) struct Tape {
    /// A [`ProfileLevel`] and one more, or zero where nobody records.
    running: AtomicU8,
    reels: Mutex<Reels>,
}

#[derive(Default)]
struct Reels {
    submissions: Vec<Arc<SubmissionTrace>>,
    spans: Vec<HostSpan>,
}

impl Tape {
    /// At least what is to be noted of submissions.
    pub(crate) fn level(&self) -> ProfileLevel {
        match self.running.load(Ordering::Relaxed) {
            0 | 1 => ProfileLevel::Off,
            2 => ProfileLevel::Submissions,
            _ => ProfileLevel::Dispatches,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn submission(&self, trace: &Arc<SubmissionTrace>) {
        // Noted by a caller of its own when nobody records.
        if self.level() > ProfileLevel::Off {
            self.reels.lock().submissions.push(trace.clone());
        }
    }

    fn start(&self, level: ProfileLevel) -> bool {
        let mut reels = self.reels.lock();
        let code = 1 + match level {
            ProfileLevel::Off => 0,
            ProfileLevel::Submissions => 1,
            ProfileLevel::Dispatches => 2,
        };
        let idle = (0, code);
        let order = Ordering::Relaxed;
        let started = self.running.compare_exchange(idle.0, idle.1, order, order);
        if started.is_ok() {
            *reels = Reels::default();
        }
        started.is_ok()
    }

    fn stop(&self) -> Reels {
        let mut reels = self.reels.lock();
        self.running.store(0, Ordering::Relaxed);
        core::mem::take(&mut reels)
    }
}

impl Device {
    /// Starts to gather what the device and its callers do. Encoders that are opened and launches that are made from now
    /// on are profiled at least at this level, whatever they ask for themselves; what was opened before is not.
    ///
    /// ```
    /// use dacapo::{Device, DeviceOptions, MemoryKind, ProfileLevel};
    ///
    /// let device = Device::open(&DeviceOptions::default())?;
    /// let buffer = device.buffer(64, MemoryKind::DeviceLocal)?;
    /// let recorder = device.record(ProfileLevel::Dispatches)?;
    /// let mut encoder = device.encoder("fill")?;
    /// encoder.fill(&buffer, 7)?;
    /// encoder.commit()?;
    /// let trace = recorder.finish()?;
    /// let fill = &trace.submissions[0].dispatches[0];
    /// assert_eq!((&*fill.op, fill.work.written), ("fill", 64));
    /// assert!(fill.start <= fill.end && fill.end <= trace.end);
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Recording`] while another recorder of the device is at work.
    pub fn record(&self, level: ProfileLevel) -> Result<Recorder> {
        let before = self.counters();
        if !self.core.tape.start(level) {
            return Err(Error::Recording);
        }
        Ok(Recorder {
            device: self.clone(),
            level,
            start: Instant::now(),
            before,
            is_running: true,
        })
    }
}

impl Recorder {
    /// Waits until everything submitted so far has completed, and gives all that was gathered.
    ///
    /// # Errors
    /// Those of [`Device::wait_idle`].
    pub fn finish(mut self) -> Result<Trace> {
        self.device.wait_idle()?;
        let core = &self.device.core;
        let end = core.since_opened(Instant::now());
        // Another may start as soon as this one has stopped.
        self.is_running = false;
        let Reels {
            submissions,
            mut spans,
        } = core.tape.stop();
        let start = core.since_opened(self.start);
        // What was opened before, and noted for its own sake, is not a part of it.
        let own = submissions.into_iter().filter(|it| it.opened >= start);
        let mut submissions: Vec<_> = own.map(Arc::unwrap_or_clone).collect();
        spans.retain(|span| span.start >= start);
        submissions.sort_by_key(|submission| submission.number);
        spans.sort_by_key(|span| (span.start, core::cmp::Reverse(span.end)));
        Ok(Trace {
            device: self.device.info().clone(),
            level: self.level,
            clock_error: core.backend.clock_error(),
            start,
            end,
            submissions,
            spans,
            counters: self.device.counters() - self.before,
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.is_running {
            self.device.core.tape.stop();
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({:?}, {:?})", self.device, self.level)
    }
}

/// Notes what a thread does until it is dropped, if somebody records.
pub(crate) struct Spanned<'a> {
    core: &'a DeviceCore,
    name: &'static str,
    label: &'a str,
    start: Option<Instant>,
}

impl DeviceCore {
    pub(crate) fn spanned<'a>(&'a self, name: &'static str, label: &'a str) -> Spanned<'a> {
        Spanned {
            core: self,
            name,
            label,
            start: self.tape.is_running().then(Instant::now),
        }
    }

    /// Notes what this thread has done since `start`, if somebody records.
    pub(crate) fn note_span(&self, name: &'static str, label: &str, start: Instant) {
        if !self.tape.is_running() {
            return;
        }
        let thread = std::thread::current();
        let thread = match thread.name() {
            Some(name) => name.into(),
            None => format!("{:?}", thread.id()).into(),
        };
        let mut reels = self.tape.reels.lock();
        if self.tape.is_running() {
            reels.spans.push(HostSpan {
                name,
                label: label.into(),
                thread,
                start: self.since_opened(start),
                end: self.since_opened(Instant::now()),
            });
        }
    }
}

impl Drop for Spanned<'_> {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            self.core.note_span(self.name, self.label, start);
        }
    }
}

/// Does something under a `tracing` span and a host span of the same stable name.
macro_rules! spanned {
    ($core:expr, $name:literal, $label:expr) => {
        (
            tracing::debug_span!($name, label = $label).entered(),
            $core.spanned($name, $label),
        )
    };
}

pub(crate) use spanned;
