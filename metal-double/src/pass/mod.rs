//! Runs the work of one encoder.

mod launch;
mod read;
mod shuffle;

use std::collections::{HashMap, HashSet};

use crate::encoding::{Blit, BlitPass, Command, Pass, SLOTS, SampleAt};
use crate::hazards::{self, Place};
use crate::order::{Known, PassId};
use crate::residency::Resident;
use crate::time;

use launch::{gone, run};
use read::{Reader, Slot, Wave};
use shuffle::shuffle;

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
