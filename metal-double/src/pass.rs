//! Runs the work of one encoder.

use std::collections::{HashMap, HashSet};
use std::ptr::null_mut;
use std::sync::Arc;

use crate::counts::{self, Count};
use crate::encoding::{Blit, BlitPass, Command, Pass, SLOTS, SampleAt, Shape};
use crate::hazards::{self, Area, Place, Watched};
use crate::held::{Held, Ref};
use crate::indirect::{IndirectCore, Recorded};
use crate::memory::Storage;
use crate::msl;
use crate::order::{Known, PassId};
use crate::pipeline::PipelineCore;
use crate::residency::Resident;
use crate::rules::fail;
use crate::settings::{self, Order};
use crate::time;

/// What a pass runs in.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) queue: u64,
    pub(crate) pass: PassId,
    pub(crate) known: &'a Known,
    /// Passes that events put before this one.
    pub(crate) before: &'a HashSet<PassId>,
    pub(crate) resident: &'a [Resident],
    pub(crate) watch: bool,
}

/// What a buffer index of a dispatch holds.
#[derive(Clone, Copy, Debug)]
enum Slot {
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
struct Dispatch {
    pipeline: *const PipelineCore,
    slots: [Slot; SLOTS],
    threadgroup: [u32; SLOTS],
    shape: Shape,
    /// A buffer and an offset where the number of groups is.
    indirect: Option<(*const Storage, usize)>,
    place: Place,
    /// For indirect commands: what the commands keep readable while they are run.
    _kept: Option<Arc<Recorded>>,
}

impl Dispatch {
    fn pipeline(&self) -> &PipelineCore {
        // SAFETY: the command buffer's notes, or the recorded command, keep it.
        unsafe { &*self.pipeline }
    }
}

/// Storages behind pointers of a dispatch.
fn storage<'a>(pointer: *const Storage) -> &'a Storage {
    // SAFETY: the command buffer's notes, or the recorded command, keep it while the pass runs.
    unsafe { &*pointer }
}

/// What one barrier separates from the next: units in any order.
#[derive(Debug, Default)]
struct Wave {
    units: Vec<Unit>,
    /// Buffers that the barrier before it is for; nothing for all.
    only: Option<Vec<*const Storage>>,
}

/// A dispatch, or the waves of an executed indirect command buffer.
#[derive(Debug)]
enum Unit {
    One(Box<Dispatch>),
    Many(Vec<Vec<Dispatch>>),
}

/// Walks an encoder's calls and finds out what each dispatch uses.
struct Reader<'a> {
    around: &'a Surroundings<'a>,
    pipeline: Option<Ref<PipelineCore>>,
    slots: [Slot; SLOTS],
    threadgroup: [u32; SLOTS],
    used: HashMap<u64, bool>,
    waves: Vec<Wave>,
    wave: u32,
    executions: u32,
    fences: HashSet<PassId>,
    serial: bool,
}

/// Runs a compute pass.
pub(crate) fn compute(pass: &Pass, around: &Surroundings<'_>) {
    sample(&pass.samples, |at| at.start);
    let mut reader = Reader {
        around,
        pipeline: None,
        slots: [Slot::Empty; SLOTS],
        threadgroup: [0; SLOTS],
        used: HashMap::new(),
        waves: vec![Wave::default()],
        wave: 0,
        executions: 0,
        fences: around.before.clone(),
        serial: !pass.concurrent,
    };
    let mut updated = Vec::new();
    for command in &pass.commands {
        if let Command::UpdateFence(fence) = command {
            updated.push(*fence);
        } else {
            reader.read(command);
        }
    }
    let Reader {
        mut waves, fences, ..
    } = reader;
    shuffle(&mut waves, around.pass);
    run(&waves, pass, around, &fences);
    for fence in updated {
        let mut before = fences.clone();
        before.insert(around.pass);
        *fence.before.lock() = before;
    }
    sample(&pass.samples, |at| at.end);
}

fn sample(samples: &[SampleAt], index: impl Fn(&SampleAt) -> Option<usize>) {
    for at in samples {
        if let Some(index) = index(at) {
            at.samples
                .store(index, time::gpu_ticks(time::cpu_nanoseconds()));
        }
    }
}

impl Reader<'_> {
    fn read(&mut self, command: &Command) {
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

/// Changes the order of what no barrier orders.
fn shuffle(waves: &mut [Wave], seed: PassId) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let order = settings::order();
    for wave in waves {
        random.reorder(&mut wave.units, order);
        for unit in &mut wave.units {
            if let Unit::Many(steps) = unit {
                for step in steps {
                    random.reorder(step, order);
                }
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn reorder<T>(&mut self, items: &mut [T], order: Order) {
        match order {
            Order::Program => {}
            Order::Reverse => items.reverse(),
            Order::Shuffle => {
                for i in (1..items.len()).rev() {
                    items.swap(i, self.below(i + 1));
                }
            }
        }
    }
}

fn run(waves: &[Wave], pass: &Pass, around: &Surroundings<'_>, before: &HashSet<PassId>) {
    let mut watched = around.watch.then(|| hazards::begin(around, before));
    for wave in waves {
        if let Some(watched) = &mut watched {
            match &wave.only {
                None => watched.barrier(),
                Some(storages) => storages
                    .iter()
                    .for_each(|of| watched.barrier_for(storage(*of))),
            }
        }
        for unit in &wave.units {
            match unit {
                Unit::One(dispatch) => launch(dispatch, pass, watched.as_mut()),
                Unit::Many(steps) => steps
                    .iter()
                    .flatten()
                    .for_each(|dispatch| launch(dispatch, pass, watched.as_mut())),
            }
        }
    }
}

fn launch(dispatch: &Dispatch, pass: &Pass, watched: Option<&mut Watched<'_>>) {
    let pipeline = dispatch.pipeline();
    let place = "-[MTLDebugCommandBuffer execute]";
    if pipeline.lifetime().is_gone() {
        fail(
            place,
            format_args!(
                "pipeline {} was deallocated before the command buffer with unretained references that uses it completed",
                pipeline.name
            ),
        );
        return;
    }
    let mut areas = Vec::with_capacity(SLOTS);
    let mut arguments = msl::Arguments {
        buffers: [null_mut(); SLOTS],
        threadgroup: [0; SLOTS],
    };
    for (index, slot) in dispatch.slots.iter().enumerate() {
        if pipeline.needed & (1 << index) == 0 {
            continue;
        }
        match *slot {
            Slot::Empty => {}
            Slot::Buffer {
                storage: of,
                offset,
                tracked,
            } => {
                let storage = storage(of);
                if gone(storage, &pipeline.name) {
                    return;
                }
                arguments.buffers[index] = storage.address(offset);
                areas.push(Area::of_buffer(storage, offset, tracked));
            }
            Slot::Bytes { start, length } => {
                let bytes = &pass.bytes[start as usize..(start + length) as usize];
                arguments.buffers[index] = bytes.as_ptr().cast_mut();
                areas.push(Area::of_bytes(bytes));
            }
        }
    }
    for (index, length) in dispatch.threadgroup.iter().enumerate() {
        arguments.threadgroup[index] = *length as usize;
    }
    let mut shape = dispatch.shape;
    if let Some((of, _)) = dispatch.indirect
        && gone(storage(of), &pipeline.name)
    {
        return;
    }
    let groups_at = dispatch
        .indirect
        .map(|(of, offset)| storage(of).address(offset).cast::<[u32; 3]>());
    let read_groups = |shape: &mut Shape| {
        if let Some(at) = groups_at {
            // SAFETY: the encoder checked that twelve bytes are there.
            shape.groups = unsafe { at.read_unaligned() };
        }
    };
    counts::count(Count::KernelsRun);
    let result = match watched {
        None => {
            read_groups(&mut shape);
            execute(pipeline, &shape, &arguments, None)
        }
        Some(watched) => {
            let mut watcher = watched.dispatch(&pipeline.name, dispatch.place, &areas);
            if let Some((of, offset)) = dispatch.indirect {
                watcher.reads(storage(of), offset, 12);
            }
            read_groups(&mut shape);
            execute(pipeline, &shape, &arguments, Some(&mut watcher))
        }
    };
    if let Err(text) = result {
        fail(place, format_args!("kernel {}: {text}", pipeline.name));
    }
}

fn gone(storage: &Storage, kernel: &str) -> bool {
    let gone = storage.lifetime.is_gone();
    if gone {
        fail(
            "-[MTLDebugCommandBuffer execute]",
            format_args!(
                "buffer {} was deallocated before the command buffer with unretained references that uses it (kernel {kernel}) completed",
                storage.lifetime.name()
            ),
        );
    }
    gone
}

fn execute(
    pipeline: &PipelineCore,
    shape: &Shape,
    arguments: &msl::Arguments,
    watch: Option<&mut dyn msl::Watch>,
) -> Result<(), String> {
    if shape.groups.contains(&0) {
        // A GPU that reads zero groups does nothing.
        return Ok(());
    }
    let grid = msl::Grid {
        groups: shape.groups,
        threads_per_group: shape.threads_per_group,
        threads: shape.threads,
    };
    // SAFETY: every buffer that the kernel takes is bound, which the encoder checked, and was not let go.
    unsafe { pipeline.function.run(&grid, arguments, watch) }
}

/// Runs a blit pass.
pub(crate) fn blit(pass: &BlitPass, around: &Surroundings<'_>) {
    let mut before = around.before.clone();
    let mut updated = Vec::new();
    for command in &pass.commands {
        if let Blit::WaitFence(fence) = command {
            before.extend(fence.before.lock().iter());
        }
    }
    let mut watched = around.watch.then(|| hazards::begin(around, &before));
    for command in &pass.commands {
        if let Some(watched) = &mut watched {
            watched.barrier();
        }
        match command {
            Blit::Copy {
                source,
                source_offset,
                target,
                target_offset,
                size,
            } => {
                if gone(source, "copy") || gone(target, "copy") {
                    continue;
                }
                if let Some(watched) = &mut watched {
                    let mut watcher = watched.dispatch(&"copy".into(), Place::default(), &[]);
                    watcher.reads(source, *source_offset, *size);
                    watcher.writes(target, *target_offset, *size);
                }
                // SAFETY: the encoder checked the ranges, and that they do not overlap.
                unsafe {
                    source
                        .address(*source_offset)
                        .copy_to_nonoverlapping(target.address(*target_offset), *size)
                };
            }
            Blit::Fill {
                target,
                offset,
                size,
                value,
            } => {
                if gone(target, "fill") {
                    continue;
                }
                if let Some(watched) = &mut watched {
                    watched
                        .dispatch(&"fill".into(), Place::default(), &[])
                        .writes(target, *offset, *size);
                }
                // SAFETY: the encoder checked the range.
                unsafe { target.address(*offset).write_bytes(*value, *size) };
            }
            Blit::WaitFence(_) => {}
            Blit::UpdateFence(fence) => updated.push(*fence),
        }
    }
    drop(watched);
    before.insert(around.pass);
    for fence in updated {
        (*fence.before.lock()).clone_from(&before);
    }
}
