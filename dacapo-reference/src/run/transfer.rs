//! What no kernel does: copies, fills, and reads of grids.

use super::access::words;
use super::faults::{Other, describe_race};
use super::machine::Run;
use super::wave::{Bound, Task, Work};
use crate::memory::{Manner, Now, Region, Touch};
use crate::report::Access;

/// Site of what no kernel does.
const NO_SITE: u32 = u32::MAX;

/// Does what a command without a kernel does, as one invocation.
pub(super) fn transfer(run: &Run<'_>, task: &Task<'_>, group: u32) {
    let visit = |bound: &Bound<'_>, access: Access| {
        if run.settings.checks {
            check_race(run, task, bound, access, group);
        }
    };
    match &task.work {
        Work::Copy { from, to } => {
            visit(from, Access::Read);
            visit(to, Access::Write);
            Region::copy(from.region, from.start, to.region, to.start, to.len);
        }
        Work::Fill { to, value } => {
            visit(to, Access::Write);
            to.region.fill(to.start, to.len, *value);
        }
        Work::Kernel { .. } => {}
    }
}

/// Remembers which grids were read, before anything of the wave runs.
pub(super) fn read_grids(run: &Run<'_>) {
    for task in &run.wave.tasks {
        if let Some(grid) = &task.grid
            && run.settings.checks
        {
            let group = run.wave.first_group + task.first;
            check_race(run, task, grid, Access::Read, group);
        }
    }
}

fn check_race(run: &Run<'_>, task: &Task<'_>, bound: &Bound<'_>, access: Access, group: u32) {
    let Some(touches) = bound.touches else { return };
    let now = Now {
        first_group: run.wave.first_group,
        barrier: 0,
        subgroup_barriers: &[],
        subgroup_shift: 0,
        shared: run.shared,
    };
    let own = Touch::new(group, 0, NO_SITE);
    let manner = match access {
        Access::Read => Manner::Read,
        _ => Manner::Write,
    };
    for (word, bytes) in words(bound.start, bound.len) {
        let own = own.of(bytes);
        if let Some(touch) = touches.access(manner, word, own, &now) {
            let other = Other { touch, access };
            describe_race(run, task, bound, word as u64 * 4, other);
            return;
        }
    }
}
