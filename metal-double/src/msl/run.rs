//! Runs a grid: one threadgroup after the other.

use std::cell::RefCell;
use std::ptr;

use super::abi::{Dispatch, LANES, Thread};
use super::arena::Arena;
use super::fiber::Stacks;
use super::schedule::{Entry, Run};
use super::{Arguments, Grid, Watch, watchdog};

thread_local! {
    static KEPT: RefCell<Option<(Stacks, Arena)>> = const { RefCell::new(None) };
}

/// Runs all threadgroups of a grid.
///
/// # Safety
/// `entry` is a kernel's, and the arguments are memory as it declares them.
pub unsafe fn run<'w>(
    entry: Entry,
    grid: &Grid,
    arguments: &Arguments,
    watch: Option<&'w mut (dyn Watch + 'w)>,
) -> Result<(), String> {
    let (stacks, mut arena) = KEPT
        .take()
        .unwrap_or_else(|| (Stacks::default(), Arena::new()));
    arena.clear();
    let (threadgroup, regions) = threadgroup_memory(&mut arena, arguments)?;
    let mut run = Run::new(entry, stacks, arena, watch);
    let mut dispatch = Dispatch {
        buffers: arguments.buffers,
        threadgroup,
        threads_per_threadgroup: grid.threads_per_group,
        dispatch_threads_per_threadgroup: grid.threads_per_group,
        threadgroups_per_grid: grid.groups,
        threads_per_grid: grid.threads(),
        threadgroup_position: [0; 3],
        simdgroups: 0,
    };
    let watched = run.watched();
    let result = watchdog::guarded(watched, || {
        for [x, y, z] in positions(grid.groups) {
            dispatch.threadgroup_position = [x, y, z];
            dispatch.threads_per_threadgroup = grid.threads_of_group([x, y, z]);
            let threads = place(&mut dispatch, &mut run.arena);
            run.arena.begin(regions);
            // SAFETY: as of this function; `dispatch` outlives the threadgroup.
            unsafe { run.group(threads) }
                .map_err(|problem| format!("threadgroup ({x}, {y}, {z}): {problem}"))?;
        }
        Ok(())
    });
    KEPT.set(Some(run.into_kept()));
    result
}

fn positions(groups: [u32; 3]) -> impl Iterator<Item = [u32; 3]> {
    let [width, height, depth] = groups.map(u64::from);
    (0..width * height * depth)
        .map(move |at| [at % width, at / width % height, at / width / height].map(|n| n as u32))
}

type Memory = [*mut u8; 31];

/// Memory for the arguments, and how many of them have any.
fn threadgroup_memory(arena: &mut Arena, arguments: &Arguments) -> Result<(Memory, usize), String> {
    let mut memory = [ptr::null_mut(); 31];
    let mut regions = 0;
    for (index, &length) in arguments.threadgroup.iter().enumerate() {
        if length > 0 {
            let what = format!("threadgroup memory at index {index}");
            memory[index] = arena.add(length, 256, what);
            if memory[index].is_null() {
                return Err(format!(
                    "threadgroup memory at index {index}: no room for {length} bytes"
                ));
            }
            regions += 1;
        }
    }
    Ok((memory, regions))
}

/// The threads of a threadgroup.
fn place(dispatch: &mut Dispatch, arena: &mut Arena) -> Vec<Thread> {
    let [width, height, depth] = dispatch.threads_per_threadgroup;
    let count = (width * height * depth) as usize;
    dispatch.simdgroups = count.div_ceil(LANES) as u32;
    let thread = |index: usize| {
        let simdgroup = index / LANES;
        let at = index as u32;
        Thread {
            dispatch,
            exchange: arena.exchange(simdgroup),
            position: [at % width, at / width % height, at / width / height],
            index: at,
            lane: (index % LANES) as u32,
            simdgroup: simdgroup as u32,
            lanes: (count - simdgroup * LANES).min(LANES) as u32,
            parity: 0,
        }
    };
    (0..count).map(thread).collect()
}
