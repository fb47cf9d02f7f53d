//! A workgroup on its way through a program.

use core::cell::Cell;
use core::sync::atomic::Ordering;

use super::active::Active;
use super::frame::Frame;
use super::machine::Run;
use super::wave::{Bound, Task, Work};
use crate::mask::Mask;
use crate::memory::{Now, Touch};
use crate::program::Program;
use crate::program::op::{Case, List, Node, Row, SiteId};

/// A running workgroup.
pub(super) struct Workgroup<'r> {
    pub(super) run: &'r Run<'r>,
    pub(super) task: &'r Task<'r>,
    pub(super) program: &'r Program,
    pub(super) bound: &'r [Bound<'r>],
    pub(super) inline: &'r [u8],
    pub(super) frame: &'r mut Frame,
    pub(super) id: [u32; 3],
    /// Its number in the life of the machine.
    pub(super) group: u32,
    pub(super) checks: bool,
    /// All of its invocations.
    pub(super) all: Mask,
    pub(super) active: Active,
    /// Who has left the innermost loop or switch, the iteration, the function.
    broke: Mask,
    continued: Mask,
    returned: Mask,
    steps: u64,
    /// The same for each invocation that took part.
    operations: u64,
    /// Set when it is to end at once.
    ended: Option<String>,
    /// Barriers that it has passed.
    tick: u32,
    /// The last one that orders storage buffers, and workgroup memory.
    storage_barrier: u32,
    workgroup_barrier: u32,
    /// The last one of each subgroup alone.
    subgroup_barriers: Vec<u32>,
}

impl<'r> Workgroup<'r> {
    pub(super) fn new(
        run: &'r Run<'r>,
        task: &'r Task<'r>,
        frame: &'r mut Frame,
        id: [u32; 3],
        group: u32,
    ) -> Workgroup<'r> {
        let Work::Kernel {
            program,
            ref bound,
            inline,
            ..
        } = task.work
        else {
            unreachable!("transfers have no workgroups");
        };
        let all = Mask::first(program.lanes());
        Workgroup {
            run,
            task,
            program,
            bound,
            inline,
            frame,
            id,
            group,
            checks: run.settings.checks,
            all,
            active: Active::new(all),
            broke: Mask::default(),
            continued: Mask::default(),
            returned: Mask::default(),
            steps: 0,
            operations: 0,
            ended: None,
            tick: 0,
            storage_barrier: 0,
            workgroup_barrier: 0,
            subgroup_barriers: Vec::new(),
        }
    }

    /// Runs it to its end, or to the reason why it cannot get there.
    pub(super) fn run(mut self) -> Result<(), String> {
        let program = self.program;
        let body = &program.functions[program.entry as usize].body;
        self.block(body, self.all);
        self.run.reports.count_operations(self.operations);
        match self.ended {
            None => Ok(()),
            Some(reason) => Err(reason),
        }
    }

    /// The elements of a row, of those between the first and the last who take part.
    #[inline(always)]
    pub(super) fn row(&self, row: Row) -> &[Cell<u32>] {
        &self.frame.rows.row(row)[self.active.first..self.active.end]
    }

    /// The elements of a row, of all.
    #[inline(always)]
    pub(super) fn whole(&self, row: Row) -> &[Cell<u32>] {
        self.frame.rows.row(row)
    }

    pub(super) fn list(&self, list: List) -> &'r [Row] {
        &self.program.lists[list.first as usize..(list.first + list.len) as usize]
    }

    /// How touches of storage buffers are ordered now.
    pub(super) fn now(&self) -> Now<'_> {
        self.ordered(self.storage_barrier)
    }

    /// How touches of workgroup memory are.
    pub(super) fn now_in_workgroup(&self) -> Now<'_> {
        Now {
            first_group: self.frame.shared.workgroup,
            shared: false,
            ..self.ordered(self.workgroup_barrier)
        }
    }

    fn ordered(&self, barrier: u32) -> Now<'_> {
        Now {
            first_group: self.run.wave.first_group,
            barrier,
            subgroup_barriers: &self.subgroup_barriers,
            subgroup_shift: self.program.subgroup_size.trailing_zeros(),
            shared: self.run.shared,
        }
    }

    /// An access at this place, to be completed with who makes it.
    pub(super) fn touch(&self, site: u32) -> Touch {
        Touch::new(self.group, self.tick, site)
    }

    /// The same to workgroup memory.
    pub(super) fn touch_in_workgroup(&self, site: u32) -> Touch {
        Touch::new(self.frame.shared.workgroup, self.tick, site)
    }

    /// Those of `mask` for whom a row is not 0.
    fn chosen(&self, row: Row, mask: Mask) -> Mask {
        let cells = self.row(row);
        let any = cells.iter().fold(0, |any, cell| any | cell.get());
        if any == 0 {
            return Mask::default();
        }
        if cells.iter().all(|cell| cell.get() != 0) {
            return mask;
        }
        let row = self.whole(row);
        Mask::of(row.len(), |lane| row[lane].get() != 0) & mask
    }

    /// Runs statements for those of `mask`, and gives those who reach their end.
    fn block(&mut self, nodes: &'r [Node], mut mask: Mask) -> Mask {
        if mask.is_empty() {
            return mask;
        }
        self.active = Active::new(mask);
        self.steps += nodes.len() as u64;
        self.operations += nodes.len() as u64 * self.active.count as u64;
        for node in nodes {
            match node {
                Node::Op(op) => {
                    self.operate(op);
                    continue;
                }
                Node::If {
                    condition,
                    accept,
                    reject,
                } => {
                    let yes = self.chosen(*condition, mask);
                    let no = mask.without(yes);
                    mask = self.block(accept, yes) | self.block(reject, no);
                }
                Node::Switch { selector, cases } => mask = self.switch(*selector, cases, mask),
                Node::Loop {
                    body,
                    continuing,
                    break_if,
                    site,
                } => mask = self.repeat(body, continuing, *break_if, *site, mask),
                Node::Break => {
                    self.broke |= mask;
                    return Mask::default();
                }
                Node::Continue => {
                    self.continued |= mask;
                    return Mask::default();
                }
                Node::Return => {
                    self.returned |= mask;
                    return Mask::default();
                }
                Node::Call(function) => {
                    let outside = core::mem::take(&mut self.returned);
                    let program = self.program;
                    mask = self.block(&program.functions[*function as usize].body, mask);
                    mask |= core::mem::replace(&mut self.returned, outside);
                }
                Node::Barrier {
                    storage,
                    workgroup,
                    subgroup,
                    site,
                } => {
                    self.barrier([*storage, *workgroup, *subgroup], *site, mask);
                    continue;
                }
            }
            if mask.is_empty() || self.ended.is_some() {
                return Mask::default();
            }
            self.active = Active::new(mask);
        }
        mask
    }

    fn switch(&mut self, selector: Row, cases: &'r [Case], mask: Mask) -> Mask {
        let selectors = self.whole(selector);
        let matching = |case: &Case| {
            let is = |lane: usize| case.values.contains(&selectors[lane].get());
            Mask::of(selectors.len(), is) & mask
        };
        let mut chosen: Vec<Mask> = cases.iter().map(matching).collect();
        let named = chosen.iter().fold(Mask::default(), |all, one| all | *one);
        for (case, own) in cases.iter().zip(&mut chosen) {
            if case.is_default {
                *own |= mask.without(named);
            }
        }
        let outside = core::mem::take(&mut self.broke);
        let mut out = Mask::default();
        for (case, own) in cases.iter().zip(chosen) {
            out |= self.block(&case.body, own);
        }
        out | core::mem::replace(&mut self.broke, outside)
    }

    fn repeat(
        &mut self,
        body: &'r [Node],
        continuing: &'r [Node],
        break_if: Option<Row>,
        site: SiteId,
        mut mask: Mask,
    ) -> Mask {
        let outside = (
            core::mem::take(&mut self.broke),
            core::mem::take(&mut self.continued),
        );
        while !mask.is_empty() {
            // An iteration that does nothing counts, too.
            self.steps += 1;
            if self.steps > self.run.settings.steps {
                self.run_away(mask, site);
            }
            if self.ended.is_some() || self.run.stop.load(Ordering::Relaxed) {
                break;
            }
            mask = self.block(body, mask) | core::mem::take(&mut self.continued);
            if !continuing.is_empty() {
                mask = self.block(continuing, mask);
            }
            if let Some(condition) = break_if
                && !mask.is_empty()
            {
                self.active = Active::new(mask);
                let leaving = self.chosen(condition, mask);
                self.broke |= leaving;
                mask = mask.without(leaving);
            }
        }
        let left;
        (left, _) = (
            core::mem::replace(&mut self.broke, outside.0),
            core::mem::replace(&mut self.continued, outside.1),
        );
        left
    }

    fn run_away(&mut self, mask: Mask, site: SiteId) {
        let limit = self.run.settings.steps;
        self.report_runaway(mask, site);
        self.ended = Some(format!(
            "workgroup {:?} of kernel {:?} has taken more than {limit} steps",
            self.id, self.program.name
        ));
    }

    fn barrier(&mut self, [storage, workgroup, subgroup]: [bool; 3], site: SiteId, mask: Mask) {
        if self.checks && mask != self.all {
            if storage || workgroup {
                self.report_divergent_barrier(mask, site);
            } else {
                self.check_subgroups(site);
            }
        }
        self.tick += 1;
        if storage {
            self.storage_barrier = self.tick;
        }
        if workgroup {
            self.workgroup_barrier = self.tick;
        }
        if subgroup {
            let size = self.program.subgroup_size as usize;
            let count = self.program.lanes().div_ceil(size);
            self.subgroup_barriers.resize(count, 0);
            for lane in mask.lanes() {
                self.subgroup_barriers[lane / size] = self.tick;
            }
        }
    }
}
