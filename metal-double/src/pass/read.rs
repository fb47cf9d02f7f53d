//! Walks an encoder's calls and finds out what each dispatch uses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Surroundings;
use crate::counts::{self, Count};
use crate::encoding::{Command, SLOTS, Shape};
use crate::hazards::Place;
use crate::held::{Held, Ref};
use crate::indirect::{IndirectCore, Recorded};
use crate::memory::Storage;
use crate::order::PassId;
use crate::pipeline::PipelineCore;
use crate::rules::fail;

#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Empty,
    Buffer {
        storage: *const Storage,
        offset: usize,
        tracked: bool,
    },
    Bytes {
        start: u32,
        length: u32,
    },
}

/// A dispatch with everything that it uses.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    pub(super) pipeline: *const PipelineCore,
    pub(super) slots: [Slot; SLOTS],
    pub(super) threadgroup: [u32; SLOTS],
    pub(super) shape: Shape,
    /// A buffer and an offset where the number of groups is.
    pub(super) indirect: Option<(*const Storage, usize)>,
    pub(super) place: Place,
    /// For indirect commands: what the commands keep readable while they are run.
    pub(super) _kept: Option<Arc<Recorded>>,
}

impl Dispatch {
    pub(super) fn pipeline(&self) -> &PipelineCore {
        // SAFETY: the command buffer's notes, or the recorded command, keep it.
        unsafe { &*self.pipeline }
    }
}

/// Storages behind pointers of a dispatch.
pub(super) fn storage<'a>(pointer: *const Storage) -> &'a Storage {
    // SAFETY: the command buffer's notes, or the recorded command, keep it while the pass runs.
    unsafe { &*pointer }
}

/// What one barrier separates from the next: units in any order.
#[derive(Debug, Default)]
pub(super) struct Wave {
    pub(super) units: Vec<Unit>,
    /// Buffers that the barrier before it is for; nothing for all.
    pub(super) only: Option<Vec<*const Storage>>,
}

/// A dispatch, or the waves of an executed indirect command buffer.
#[derive(Debug)]
pub(super) enum Unit {
    One(Box<Dispatch>),
    Many(Vec<Vec<Dispatch>>),
}

/// Walks an encoder's calls and finds out what each dispatch uses.
pub(super) struct Reader<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) pipeline: Option<Ref<PipelineCore>>,
    pub(super) slots: [Slot; SLOTS],
    pub(super) threadgroup: [u32; SLOTS],
    pub(super) used: HashMap<u64, bool>,
    pub(super) waves: Vec<Wave>,
    pub(super) wave: u32,
    pub(super) executions: u32,
    pub(super) fences: HashSet<PassId>,
    pub(super) serial: bool,
}

impl Reader<'_> {
    pub(super) fn read(&mut self, command: &Command) {
        match command {
            Command::Pipeline(pipeline) => self.pipeline = Some(*pipeline),
            Command::Buffer {
                index,
                storage,
                offset,
            } => {
                self.slots[usize::from(*index)] = Slot::Buffer {
                    storage: &raw const **storage,
                    offset: *offset,
                    tracked: !storage.untracked,
                };
            }
            Command::Unbind { index } => self.slots[usize::from(*index)] = Slot::Empty,
            Command::Bytes {
                index,
                start,
                length,
            } => {
                self.slots[usize::from(*index)] = Slot::Bytes {
                    start: *start,
                    length: *length,
                };
            }
            Command::ThreadgroupMemory { index, length } => {
                self.threadgroup[usize::from(*index)] = *length
            }
            Command::Dispatch(shape) => self.dispatch(*shape, None),
            Command::DispatchIndirect {
                storage,
                offset,
                threads_per_group,
            } => {
                let shape = Shape {
                    groups: [1; 3],
                    threads_per_group: *threads_per_group,
                    threads: None,
                };
                self.dispatch(shape, Some((&raw const **storage, *offset)));
            }
            Command::Barrier => self.next_wave(None),
            Command::BarrierFor(storages) => self.next_wave(Some(
                storages
                    .iter()
                    .map(|storage| &raw const **storage)
                    .collect(),
            )),
            Command::Use { resource, write } => {
                *self.used.entry(*resource).or_default() |= write;
            }
            Command::Execute {
                commands,
                first,
                count,
            } => self.execute(commands, *first, *count),
            Command::WaitFence(fence) => self.fences.extend(fence.before.lock().iter()),
            Command::UpdateFence(_) => {}
        }
    }

    fn next_wave(&mut self, only: Option<Vec<*const Storage>>) {
        if only.is_none() {
            self.wave += 1;
        }
        self.waves.push(Wave {
            units: Vec::new(),
            only,
        });
    }

    fn dispatch(&mut self, shape: Shape, indirect: Option<(*const Storage, usize)>) {
        let Some(pipeline) = self.pipeline else {
            return;
        };
        let dispatch = Dispatch {
            pipeline: &raw const *pipeline,
            slots: self.slots,
            threadgroup: self.threadgroup,
            shape,
            indirect,
            place: Place {
                wave: self.wave,
                execution: 0,
                step: 0,
            },
            _kept: None,
        };
        self.push(Unit::One(Box::new(dispatch)));
    }

    fn push(&mut self, unit: Unit) {
        if let Some(wave) = self.waves.last_mut() {
            wave.units.push(unit);
        }
        if self.serial {
            self.next_wave(None);
        }
    }

    fn execute(&mut self, core: &IndirectCore, first: usize, count: usize) {
        const PLACE: &str = "-[MTLDebugComputeCommandEncoder executeCommandsInBuffer:withRange:]";
        if core.lifetime.is_gone() {
            fail(
                PLACE,
                format_args!(
                    "{} was deallocated before the command buffer that executes it completed",
                    core.lifetime.name()
                ),
            );
            return;
        }
        self.executions += 1;
        let recorded: Vec<Arc<Recorded>> = core.commands.lock()[first..first + count]
            .iter()
            .cloned()
            .map(Arc::new)
            .collect();
        let mut steps: Vec<Vec<Dispatch>> = vec![Vec::new()];
        for (index, command) in recorded.into_iter().enumerate() {
            let Some(shape) = command.shape else { continue };
            counts::count(Count::IndirectCommands);
            let pipeline = match &command.pipeline {
                Some(pipeline) if pipeline.lifetime().is_gone() => {
                    fail(
                        PLACE,
                        format_args!(
                            "command {}: pipeline {} was deallocated",
                            first + index,
                            pipeline.name
                        ),
                    );
                    continue;
                }
                Some(pipeline) => Arc::as_ptr(pipeline),
                None => match self.pipeline {
                    Some(pipeline) => &raw const *pipeline,
                    None => continue,
                },
            };
            let slots = if core.inherits.buffers {
                Some(self.slots)
            } else {
                self.indirect_slots(&command, pipeline, first + index)
            };
            let Some(slots) = slots else { continue };
            if command.barrier && steps.last().is_some_and(|step| !step.is_empty()) {
                steps.push(Vec::new());
            }
            let place = Place {
                wave: self.wave,
                execution: self.executions,
                step: steps.len() as u32,
            };
            let threadgroup = command.threadgroup;
            let dispatch = Dispatch {
                pipeline,
                slots,
                threadgroup,
                shape,
                indirect: None,
                place,
                _kept: Some(command),
            };
            if let Some(step) = steps.last_mut() {
                step.push(dispatch);
            }
        }
        self.push(Unit::Many(steps));
    }

    /// What an indirect command binds, if the GPU may use it.
    fn indirect_slots(
        &self,
        command: &Recorded,
        pipeline: *const PipelineCore,
        index: usize,
    ) -> Option<[Slot; SLOTS]> {
        const PLACE: &str = "-[MTLDebugComputeCommandEncoder executeCommandsInBuffer:withRange:]";
        // SAFETY: the recorded command or the notes keep it.
        let pipeline = unsafe { &*pipeline };
        let mut slots = [Slot::Empty; SLOTS];
        for (slot, bound) in command.buffers.iter().enumerate() {
            let Some((storage, offset)) = bound else {
                continue;
            };
            let name = || storage.lifetime.name();
            if storage.lifetime.is_gone() {
                fail(
                    PLACE,
                    format_args!(
                        "command {index}: buffer {} was deallocated while the indirect command buffer refers to it",
                        name()
                    ),
                );
                return None;
            }
            let used = self.used.get(&storage.lifetime.id).copied();
            let resident = self
                .around
                .resident
                .iter()
                .any(|set| set.contains(&storage.lifetime.id));
            let bit = 1u32 << slot;
            if used.is_none() && !resident {
                fail(
                    PLACE,
                    format_args!(
                        "command {index}: buffer {} at index {slot} of kernel {} is not resident: neither useResource:usage: was called for it nor is it in a committed residency set of the command queue or the command buffer",
                        name(),
                        pipeline.name
                    ),
                );
                return None;
            }
            if used == Some(false) && !resident && pipeline.writes & bit != 0 {
                fail(
                    PLACE,
                    format_args!(
                        "command {index}: kernel {} writes buffer {} at index {slot}, and useResource:usage: said MTLResourceUsageRead alone",
                        pipeline.name,
                        name()
                    ),
                );
            }
            // Residency sets track no hazards: what only they make resident is ordered by nobody.
            let tracked = !storage.untracked && used.is_some();
            slots[slot] = Slot::Buffer {
                storage: Arc::as_ptr(storage),
                offset: *offset,
                tracked,
            };
        }
        Some(slots)
    }
}
