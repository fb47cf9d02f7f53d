//! Runs waves on worker threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::flow::Workgroup;
use super::frame::Frame;
use super::order::sequence;
use super::transfer::{read_grids, transfer};
use super::wave::{Wave, Work};
use super::{Settings, Step, Stopped};
use crate::memory::Touch;
use crate::report::Reports;

/// Bytes of frames that a worker keeps.
const KEPT_BYTES: usize = 128 << 20;

/// Workgroups that a worker takes at once, if there are many.
const PORTIONS: u32 = 8;

/// Runs waves: steps between two barriers.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    reports: Arc<Reports>,
    workers: Vec<Worker>,
    /// The number of the next workgroup.
    next_group: u32,
    /// How often numbers began anew.
    era: u32,
}

/// What a thread keeps from one workgroup to the next.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// By the number of the program, the one used last at the end.
    frames: Vec<(u64, Frame)>,
}

impl Machine {
    /// A machine that adds what it finds to `reports`.
    pub fn new(settings: Settings, reports: Arc<Reports>) -> Machine {
        let threads = match settings.order {
            super::Order::Parallel => settings.threads.max(1),
            _ => 1,
        };
        Machine {
            settings,
            reports,
            workers: (0..threads).map(|_| Worker::default()).collect(),
            next_group: 0,
            era: 0,
        }
    }

    /// Runs the steps of a wave, all of them ordered behind those of earlier waves and not among each other.
    ///
    /// # Errors
    /// [`Stopped`] when a workgroup takes more steps than allowed, and when a step does not fit its kernel.
    pub fn run(&mut self, wave: &[Step]) -> Result<(), Stopped> {
        if self.next_group > Touch::MAX_GROUP / 2 {
            self.next_group = 0;
            self.era += 1;
            // Their workgroup memory remembers the old numbers.
            self.workers
                .iter_mut()
                .for_each(|worker| worker.frames.clear());
        }
        let wave = Wave::new(wave, self.next_group, self.era, self.settings.checks)?;
        self.next_group += wave.groups;
        let sequence = sequence(self.settings.order, wave.groups);
        let threads = self.workers.len().min(wave.groups as usize);
        let run = Run {
            settings: &self.settings,
            reports: &self.reports,
            wave: &wave,
            shared: sequence.is_none() && threads > 1,
            stop: AtomicBool::new(false),
            stopped: Mutex::new(None),
        };
        read_grids(&run);
        match (sequence, &mut self.workers[..]) {
            (Some(sequence), [worker, ..]) => sequence.for_each(|group| run.group(worker, group)),
            (None, workers) if run.shared => run.on_threads(&mut workers[..threads]),
            (None, [worker, ..]) => (0..wave.groups).for_each(|group| run.group(worker, group)),
            (_, []) => {}
        }
        match run.stopped.into_inner() {
            None => Ok(()),
            Some(stopped) => Err(stopped),
        }
    }
}

/// A wave that is running.
pub(super) struct Run<'r> {
    pub(super) settings: &'r Settings,
    pub(super) reports: &'r Reports,
    pub(super) wave: &'r Wave<'r>,
    /// Whether several threads run it.
    pub(super) shared: bool,
    pub(super) stop: AtomicBool,
    stopped: Mutex<Option<Stopped>>,
}

impl Run<'_> {
    fn on_threads(&self, workers: &mut [Worker]) {
        let groups = self.wave.groups;
        let portion = (groups / (workers.len() as u32 * PORTIONS)).max(1);
        let next = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for worker in workers {
                let (run, next) = (self, &next);
                scope.spawn(move || {
                    loop {
                        let first = next.fetch_add(portion, Ordering::Relaxed);
                        if first >= groups {
                            return;
                        }
                        let end = (first + portion).min(groups);
                        (first..end).for_each(|group| run.group(worker, group));
                    }
                });
            }
        });
    }

    /// Runs one workgroup of the wave.
    fn group(&self, worker: &mut Worker, group: u32) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let (task, own) = self.wave.task(group);
        let Work::Kernel {
            program, groups, ..
        } = task.work
        else {
            return transfer(self, task, self.wave.first_group + group);
        };
        let frame = worker.frame(program, self.settings.checks);
        let id = task.workgroup_id(own);
        frame.begin(program, id, groups);
        let ended = Workgroup::new(self, task, frame, id, self.wave.first_group + group).run();
        if let Err(reason) = ended {
            let at = self
                .wave
                .tasks
                .iter()
                .position(|one| core::ptr::eq(one, task));
            self.stop.store(true, Ordering::Relaxed);
            self.stopped.lock().get_or_insert(Stopped {
                step: at.unwrap_or_default(),
                reason,
            });
        }
    }
}

impl Worker {
    /// The frame of a program, made if it is not there.
    fn frame(&mut self, program: &crate::program::Program, checks: bool) -> &mut Frame {
        let known = self.frames.iter().rposition(|(id, _)| *id == program.id);
        match known {
            Some(at) if at + 1 == self.frames.len() => {}
            Some(at) => {
                let frame = self.frames.remove(at);
                self.frames.push(frame);
            }
            None => {
                self.frames.push((program.id, Frame::new(program, checks)));
                let bytes = |frames: &[(u64, Frame)]| -> usize {
                    frames.iter().map(|(_, frame)| frame.bytes()).sum()
                };
                while self.frames.len() > 1 && bytes(&self.frames) > KEPT_BYTES {
                    self.frames.remove(0);
                }
            }
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last].1
    }
}
