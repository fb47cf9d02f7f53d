//! What is noted of a submission while it is encoded, to be joined with times once it has run.

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use crate::counters::Counters;
use crate::device::DeviceCore;
use crate::encoder::BarrierCause;
use crate::kernel::Kernel;
use crate::profile::{DispatchTrace, Dispatched, ProfileLevel, SubmissionTrace, Timed, Work};
use crate::submission::GpuTimes;

/// What is noted of a recording, which is one part of a submission or all of it.
pub(crate) struct Notes {
    pub(crate) level: ProfileLevel,
    pub(crate) opened: Instant,
    pub(crate) committed: Option<Instant>,
    pub(crate) extent: Option<u64>,
    /// Without times.
    pub(crate) dispatches: Vec<DispatchTrace>,
    /// The paths of the open scopes.
    scopes: Vec<Arc<[Arc<str>]>>,
}

/// Where a recording stands when a dispatch is noted.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) wave: u32,
    /// The barrier directly in front.
    pub(crate) barrier: Option<BarrierCause>,
}

impl Notes {
    pub(crate) fn new(level: ProfileLevel, opened: Instant, extent: Option<u64>) -> Notes {
        Notes {
            level,
            opened,
            committed: None,
            extent,
            dispatches: Vec::new(),
            scopes: Vec::new(),
        }
    }

    pub(crate) fn has_dispatches(&self) -> bool {
        self.level == ProfileLevel::Dispatches
    }

    pub(crate) fn push_scope(&mut self, label: &str) {
        let open = self.scopes.last().map_or(&[][..], |path| path);
        let path = open.iter().cloned().chain([label.into()]);
        self.scopes.push(path.collect());
    }

    pub(crate) fn pop_scope(&mut self) {
        self.scopes.pop();
    }

    /// Notes a dispatch of `kernel`, called like this.
    pub(crate) fn dispatch(&mut self, kernel: &Kernel, call: &Dispatched<'_>, standing: Standing) {
        let work = kernel.work_of(&call.with_extent(self.extent));
        self.step(kernel.shared_name(), kernel.shared_op(), work, standing);
    }

    /// Notes a step that is no dispatch of a kernel.
    pub(crate) fn native(&mut self, name: &str, standing: Standing) {
        let name: Arc<str> = name.into();
        self.step(name.clone(), name, Work::default(), standing);
    }

    fn step(&mut self, kernel: Arc<str>, op: Arc<str>, work: Work, standing: Standing) {
        self.dispatches.push(DispatchTrace {
            kernel,
            op,
            scopes: self.scopes.last().cloned().unwrap_or_default(),
            node: None,
            fused: None,
            wave: standing.wave,
            barrier: standing.barrier,
            work,
            start: Duration::ZERO,
            end: Duration::ZERO,
        });
    }

    /// Gives each dispatch its time, as far as `times` has them; without, only the submission was noted.
    pub(crate) fn timed(&mut self, times: &[[Instant; 2]], core: &DeviceCore) {
        if times.len() != self.dispatches.len() {
            self.dispatches.clear();
            return;
        }
        for (dispatch, [start, end]) in self.dispatches.iter_mut().zip(times) {
            dispatch.start = core.since_opened(*start);
            dispatch.end = core.since_opened(*end);
        }
    }
}

/// How a part of a submission ended.
pub(crate) struct Ending<'a> {
    pub(crate) number: u64,
    pub(crate) label: &'a str,
    pub(crate) device: GpuTimes,
    pub(crate) failed: bool,
    pub(crate) counters: Counters,
    pub(crate) completed: Duration,
}

impl SubmissionTrace {
    /// The trace of one part.
    pub(crate) fn of(notes: Notes, ending: &Ending<'_>, core: &DeviceCore) -> SubmissionTrace {
        let committed = notes.committed.unwrap_or(notes.opened);
        let level = match notes.dispatches.is_empty() && ending.counters.dispatches > 0 {
            true => ProfileLevel::Submissions,
            false => notes.level,
        };
        SubmissionTrace {
            number: ending.number,
            label: ending.label.into(),
            level,
            timed: core.backend.timed(),
            opened: core.since_opened(notes.opened),
            committed: core.since_opened(committed),
            device: ending.device,
            completed: ending.completed,
            failed: ending.failed,
            counters: ending.counters,
            dispatches: notes.dispatches,
        }
    }

    /// Adds a part that ran behind this one.
    pub(crate) fn append(&mut self, part: SubmissionTrace) {
        self.number = part.number;
        self.level = self.level.min(part.level);
        self.device.end = part.device.end;
        self.completed = part.completed;
        self.failed |= part.failed;
        self.counters = self.counters + part.counters;
        self.dispatches.extend(part.dispatches);
    }

    /// Brings times into the order that barriers guarantee: clocks are read where the device likes, which can be a little
    /// before the barrier in front has let anybody pass. Passes run one after the other.
    pub(crate) fn settle(&mut self) {
        if self.failed || self.level < ProfileLevel::Dispatches {
            self.dispatches.clear();
        }
        let (mut floor, mut last) = (self.device.start, self.device.start);
        let mut wave = 0;
        for dispatch in &mut self.dispatches {
            if dispatch.wave != wave || self.timed == Timed::OnePassEach {
                (floor, wave) = (last, dispatch.wave);
            }
            dispatch.start = dispatch.start.max(floor);
            dispatch.end = dispatch.end.max(dispatch.start);
            last = last.max(dispatch.end);
        }
        self.device.end = self.device.end.max(last);
        self.completed = self.completed.max(self.device.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    /// Three dispatches in two waves of a submission from 10 to 90 us.
    fn timed(timed: Timed, times: [[u32; 2]; 3]) -> SubmissionTrace {
        let mut notes = Notes::new(ProfileLevel::Dispatches, Instant::now(), None);
        for (wave, [start, end]) in [0, 0, 1].into_iter().zip(times) {
            notes.native(
                "step",
                Standing {
                    wave,
                    barrier: None,
                },
            );
            if let Some(last) = notes.dispatches.last_mut() {
                (last.start, last.end) = (start * US, end * US);
            }
        }
        SubmissionTrace {
            number: 1,
            label: "settled".into(),
            level: ProfileLevel::Dispatches,
            timed,
            opened: US,
            committed: US,
            device: GpuTimes {
                start: 10 * US,
                end: 90 * US,
            },
            completed: 95 * US,
            failed: false,
            counters: Counters::default(),
            dispatches: notes.dispatches,
        }
    }

    fn settled(mut trace: SubmissionTrace) -> Vec<[u32; 2]> {
        trace.settle();
        let micros = |time: Duration| time.as_micros() as u32;
        let dispatches = trace.dispatches.iter();
        dispatches
            .map(|it| [micros(it.start), micros(it.end)])
            .collect()
    }

    #[test]
    fn waves_begin_behind_the_wave_before() {
        let trace = timed(Timed::InPlace, [[5, 30], [11, 20], [25, 60]]);
        assert_eq!(settled(trace), [[10, 30], [11, 20], [30, 60]]);
    }

    #[test]
    fn passes_begin_behind_the_pass_before() {
        let trace = timed(Timed::OnePassEach, [[5, 30], [11, 40], [35, 60]]);
        assert_eq!(settled(trace), [[10, 30], [30, 40], [40, 60]]);
    }

    #[test]
    fn what_has_failed_has_no_dispatches() {
        let mut trace = timed(Timed::OnePassEach, [[10, 20], [20, 30], [30, 40]]);
        trace.failed = true;
        assert_eq!(settled(trace), [[0; 2]; 0]);
    }
}
