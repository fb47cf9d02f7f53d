//! What a kernel needs while it runs: rows, workgroup memory, and who has written what.

use core::cell::Cell;

use crate::mask::Mask;
use crate::memory::{Touch, Touches};
use crate::program::{Builtin, Program};

/// For one worker and one program; used again by each workgroup.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) rows: Rows,
    /// Of each tracked scalar, who has written it.
    pub(super) written: Vec<Mask>,
    pub(super) shared: Shared,
}

/// Rows of lanes.
#[derive(Debug)]
pub(super) struct Rows {
    cells: Vec<Cell<u32>>,
    lanes: usize,
}

/// Workgroup memory.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) words: Vec<Cell<u32>>,
    written: Vec<Cell<u64>>,
    pub(super) touches: Option<Touches>,
    /// The number of the workgroup, counted in this frame: workgroups need not come in the order of their own numbers, by
    /// which touches are told to be earlier ones'.
    pub(super) workgroup: u32,
}

impl Frame {
    pub(super) fn new(program: &Program, checks: bool) -> Frame {
        let lanes = program.lanes();
        let rows = Rows {
            cells: vec![Cell::new(0); program.rows as usize * lanes],
            lanes,
        };
        for (row, bits) in &program.constants {
            rows.fill(*row, *bits);
        }
        let size = program.subgroup_size;
        for (builtin, row) in &program.builtins {
            for (lane, cell) in rows.row(*row).iter().enumerate() {
                let lane = lane as u32;
                cell.set(match builtin {
                    Builtin::LocalInvocationId(axis) => {
                        local_id(program.workgroup, lane)[usize::from(*axis)]
                    }
                    Builtin::LocalInvocationIndex => lane,
                    Builtin::NumSubgroups => (lanes as u32).div_ceil(size),
                    Builtin::SubgroupId => lane / size,
                    Builtin::SubgroupSize => size,
                    Builtin::SubgroupInvocationId => lane % size,
                    // Set for each workgroup.
                    Builtin::GlobalInvocationId(_)
                    | Builtin::WorkgroupId(_)
                    | Builtin::NumWorkgroups(_) => 0,
                });
            }
        }
        let words = program.workgroup_words as usize;
        Frame {
            rows,
            written: vec![Mask::default(); program.tracked_scalars as usize],
            shared: Shared {
                words: vec![Cell::new(0); words],
                written: vec![Cell::new(0); words.div_ceil(64)],
                touches: if checks { Touches::new(words) } else { None },
                workgroup: 0,
            },
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.rows.cells) + size_of_val(&*self.written) + self.shared.words.len() * 32
    }

    /// Makes it as a workgroup finds it.
    pub(super) fn begin(&mut self, program: &Program, id: [u32; 3], groups: [u32; 3]) {
        for (builtin, row) in &program.builtins {
            match *builtin {
                Builtin::WorkgroupId(axis) => self.rows.fill(*row, id[usize::from(axis)]),
                Builtin::NumWorkgroups(axis) => self.rows.fill(*row, groups[usize::from(axis)]),
                Builtin::GlobalInvocationId(axis) => {
                    let axis = usize::from(axis);
                    let first = id[axis].wrapping_mul(program.workgroup[axis]);
                    for (lane, cell) in self.rows.row(*row).iter().enumerate() {
                        let local = local_id(program.workgroup, lane as u32)[axis];
                        cell.set(first.wrapping_add(local));
                    }
                }
                _ => {}
            }
        }
        self.shared.words.fill(Cell::new(0));
        self.shared.written.fill(Cell::new(0));
        self.shared.begin();
    }
}

/// `local_invocation_id` of the invocation with this index.
pub(super) fn local_id([x, y, _]: [u32; 3], lane: u32) -> [u32; 3] {
    [lane % x, lane / x % y, lane / x / y]
}

impl Rows {
    /// All lanes of a row.
    #[inline(always)]
    pub(super) fn row(&self, row: u32) -> &[Cell<u32>] {
        let first = row as usize * self.lanes;
        &self.cells[first..first + self.lanes]
    }

    fn fill(&self, row: u32, bits: u32) {
        self.row(row).iter().for_each(|cell| cell.set(bits));
    }
}

impl Shared {
    /// Another workgroup begins.
    fn begin(&mut self) {
        self.workgroup += 1;
        if self.workgroup > Touch::MAX_GROUP {
            self.workgroup = 0;
            if let Some(touches) = &self.touches {
                touches.forget();
            }
        }
    }

    pub(super) fn is_written(&self, word: usize) -> bool {
        let bits = self.written.get(word / 64);
        bits.is_none_or(|bits| bits.get() >> (word % 64) & 1 == 1)
    }

    pub(super) fn mark_written(&self, word: usize) {
        if let Some(bits) = self.written.get(word / 64) {
            bits.set(bits.get() | 1 << (word % 64));
        }
    }
}
