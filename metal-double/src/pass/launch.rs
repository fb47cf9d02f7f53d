//! Runs the dispatches of a compute pass.

use std::collections::HashSet;
use std::ptr::null_mut;

use super::{
    Surroundings,
    read::{Dispatch, Slot, Unit, Wave, storage},
};
use crate::counts::{self, Count};
use crate::encoding::{Pass, SLOTS, Shape};
use crate::hazards::{self, Area, Watched};
use crate::held::Held;
use crate::memory::Storage;
use crate::msl;
use crate::order::PassId;
use crate::pipeline::PipelineCore;
use crate::rules::fail;

pub(super) fn run(
    waves: &[Wave],
    pass: &Pass,
    around: &Surroundings<'_>,
    before: &HashSet<PassId>,
) {
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

pub(super) fn launch(dispatch: &Dispatch, pass: &Pass, watched: Option<&mut Watched<'_>>) {
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

pub(super) fn gone(storage: &Storage, kernel: &str) -> bool {
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

pub(super) fn execute(
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
