//! A wave made ready: what its steps bind, and which numbers their workgroups have.

use std::sync::Arc;

use super::{Action, Binding, Step, Stopped};
use crate::memory::{Region, Touch, Touches};
use crate::program::Program;

/// Most workgroups between two barriers: as many as can be told apart.
pub const MAX_GROUPS: u32 = 1 << 25;

pub(super) struct Wave<'w> {
    pub(super) tasks: Vec<Task<'w>>,
    /// The number of the first workgroup.
    pub(super) first_group: u32,
    /// How many workgroups there are.
    pub(super) groups: u32,
}

/// A step.
pub(super) struct Task<'w> {
    pub(super) step: &'w Step,
    /// The number of its first workgroup, counted in the wave.
    pub(super) first: u32,
    pub(super) work: Work<'w>,
    /// Where its grid was read, if it has workgroups.
    pub(super) grid: Option<Bound<'w>>,
}

pub(super) enum Work<'w> {
    Kernel {
        program: &'w Program,
        /// In the order in which operations number them.
        bound: Vec<Bound<'w>>,
        inline: &'w [u8],
        groups: [u32; 3],
    },
    Copy {
        from: Bound<'w>,
        to: Bound<'w>,
    },
    Fill {
        to: Bound<'w>,
        value: u8,
    },
}

/// What is bound.
#[derive(Clone, Copy)]
pub(super) struct Bound<'w> {
    pub(super) slot: u32,
    pub(super) region: &'w Region,
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// Where accesses are remembered, if one of the wave's steps may write the region.
    pub(super) touches: Option<&'w Touches>,
}

impl<'w> Wave<'w> {
    /// Makes steps ready, whose workgroups are numbered from `first_group` on; touches of other eras do not count.
    pub(super) fn new(
        steps: &'w [Step],
        first_group: u32,
        era: u32,
        checks: bool,
    ) -> Result<Wave<'w>, Stopped> {
        let written: Vec<*const Region> = steps
            .iter()
            .flat_map(bindings)
            .filter(|binding| binding.writes)
            .map(|binding| Arc::as_ptr(&binding.region))
            .collect();
        let bind = |binding: &'w Binding| {
            let region = &*binding.region;
            let watched = checks && written.contains(&Arc::as_ptr(&binding.region));
            Bound {
                slot: binding.slot,
                region,
                start: binding.range.start,
                len: binding.range.end.saturating_sub(binding.range.start),
                reads: binding.reads,
                writes: binding.writes,
                touches: if watched { region.watch(era) } else { None },
            }
        };
        let mut tasks = Vec::with_capacity(steps.len());
        let mut total = 0u64;
        for (at, step) in steps.iter().enumerate() {
            let stop = |reason: String| Stopped { step: at, reason };
            let (work, count) = match &step.action {
                Action::Copy { from, to } => {
                    let (from, to) = (bind(from), bind(to));
                    if from.len != to.len {
                        return Err(stop(format!("a copy of {} bytes to {}", from.len, to.len)));
                    }
                    (Work::Copy { from, to }, 1)
                }
                Action::Fill { to, value } => {
                    let (to, value) = (bind(to), *value);
                    (Work::Fill { to, value }, 1)
                }
                Action::Kernel {
                    program,
                    bindings,
                    inline,
                    groups,
                } => {
                    let mut bound = Vec::with_capacity(program.slots.len());
                    for slot in &program.slots {
                        match bindings.iter().find(|binding| binding.slot == *slot) {
                            Some(binding) => bound.push(bind(binding)),
                            None => return Err(stop(format!("nothing is bound at slot {slot}"))),
                        }
                    }
                    let count = groups
                        .iter()
                        .map(|&n| u64::from(n))
                        .try_fold(1, u64::checked_mul);
                    let work = Work::Kernel {
                        program,
                        bound,
                        inline,
                        groups: *groups,
                    };
                    (work, count.unwrap_or(u64::MAX))
                }
            };
            let first = total;
            total = total.saturating_add(count);
            if total > u64::from(MAX_GROUPS) {
                return Err(stop(format!(
                    "{total} workgroups between two barriers; at most {MAX_GROUPS} can be told apart"
                )));
            }
            tasks.push(Task {
                step,
                first: first as u32,
                grid: step.grid.as_ref().filter(|_| count > 0).map(bind),
                work,
            });
        }
        Ok(Wave {
            tasks,
            first_group,
            groups: total as u32,
        })
    }

    /// The task that has this workgroup of the wave, and its number in the task.
    pub(super) fn task(&self, group: u32) -> (&Task<'w>, u32) {
        let after = self.tasks.partition_point(|task| task.first <= group);
        // Steps without workgroups begin where the next one does.
        let task = &self.tasks[after - 1];
        (task, group - task.first)
    }

    /// Who touched memory in this wave.
    pub(super) fn who(&self, touch: Touch) -> Option<(&Task<'w>, u32)> {
        let group = touch.group().checked_sub(self.first_group)?;
        (group < self.groups).then(|| self.task(group))
    }
}

impl Task<'_> {
    /// `workgroup_id` of one of its workgroups.
    pub(super) fn workgroup_id(&self, group: u32) -> [u32; 3] {
        match self.work {
            Work::Kernel {
                groups: [x, y, _], ..
            } => [group % x, group / x % y, group / x / y],
            _ => [0; 3],
        }
    }
}

fn bindings(step: &Step) -> impl Iterator<Item = &Binding> {
    let (kernel, transfer) = match &step.action {
        Action::Kernel { bindings, .. } => (&bindings[..], [None, None]),
        Action::Copy { from, to } => (&[][..], [Some(from), Some(to)]),
        Action::Fill { to, .. } => (&[][..], [Some(to), None]),
    };
    kernel.iter().chain(transfer.into_iter().flatten())
}
