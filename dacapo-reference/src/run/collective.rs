//! What the invocations of a subgroup do together.

use super::flow::Workgroup;
use crate::lanes::collective::{self, Gather, Reduction, Scan};
use crate::lanes::matrix;
use crate::mask::Mask;
use crate::program::op::{Address, Element, List, Matrix, OUTSIDE, Root, Row, SiteId, TouchId};

impl Workgroup<'_> {
    /// Reports a subgroup of which a part takes part.
    pub(super) fn check_subgroups(&self, site: SiteId) {
        let mask = self.active.mask;
        if !self.checks || mask == self.all {
            return;
        }
        let size = self.program.subgroup_size as usize;
        let lanes = self.program.lanes();
        for first in (0..lanes).step_by(size) {
            let members = first..lanes.min(first + size);
            let active = members.clone().filter(|lane| mask.contains(*lane)).count();
            if active != 0 && active != members.len() {
                self.report_divergent_subgroup(members, active, site);
                return;
            }
        }
    }

    pub(super) fn reduce(&self, op: Reduction, scan: Scan, dst: Row, a: Row, site: SiteId) {
        self.check_subgroups(site);
        let size = self.program.subgroup_size as usize;
        let (dst, a) = (self.whole(dst), self.whole(a));
        collective::reduce(op, scan, dst, a, &self.active.mask, size);
    }

    pub(super) fn ballot(&self, dst: Row, predicate: Row, site: SiteId) {
        self.check_subgroups(site);
        let size = self.program.subgroup_size as usize;
        let dst = [0, 1, 2, 3].map(|at| self.whole(dst + at));
        collective::ballot(dst, self.whole(predicate), &self.active.mask, size);
    }

    pub(super) fn gather(&self, kind: Gather, dst: Row, a: Row, index: Option<Row>, site: SiteId) {
        self.check_subgroups(site);
        let size = self.program.subgroup_size as usize;
        let (dst, a) = (self.whole(dst), self.whole(a));
        let index = index.map(|row| self.whole(row));
        collective::gather(kind, dst, a, index, &self.active.mask, size);
    }

    /// The subgroups that take part: their numbers, and the first lane of each that does.
    fn subgroups(&self) -> impl Iterator<Item = (usize, usize)> {
        let size = self.program.subgroup_size as usize;
        let mask = self.active.mask;
        let lanes = self.program.lanes();
        (0..lanes.div_ceil(size)).filter_map(move |subgroup| {
            let first = subgroup * size;
            let mut members = first..lanes.min(first + size);
            let lane = members.find(|lane| mask.contains(*lane))?;
            Some((subgroup, lane))
        })
    }

    /// Where an element of a matrix lies, in the root's units; `None` where the matrix is outside.
    fn place(
        &self,
        root: Root,
        address: Address,
        leader: usize,
        matrix: Matrix,
        stride: Row,
        at: matrix::Element,
    ) -> Option<u64> {
        let offset = address.at.map_or(0, |row| self.whole(row)[leader].get());
        let stride = u64::from(self.whole(stride)[leader].get());
        let (row, column) = (at.row as u64, at.column as u64);
        let element = match matrix.row_major {
            true => row * stride + column,
            false => column * stride + row,
        };
        let unit = match root {
            Root::Storage(_) => u64::from(matrix.element.bytes()),
            Root::Workgroup(_) => 1,
        };
        (offset != OUTSIDE).then(|| u64::from(offset) + u64::from(address.offset) + element * unit)
    }

    pub(super) fn load_matrix(
        &self,
        root: Root,
        address: Address,
        matrix: Matrix,
        dst: Row,
        stride: Row,
        touch: TouchId,
    ) {
        let size = self.program.subgroup_size as usize;
        for (subgroup, leader) in self.subgroups() {
            for at in matrix::elements(matrix.size as usize, size, subgroup) {
                let place = self.place(root, address, leader, matrix, stride, at);
                let lane = at.lane.min(self.program.lanes() - 1);
                let value = match (root, place) {
                    (_, None) => 0,
                    (Root::Storage(buffer), Some(place)) => {
                        self.load_one(buffer, place, matrix.element, lane, touch)
                    }
                    (Root::Workgroup(first), Some(place)) => {
                        let word = self.within_variable(first, place, lane, touch);
                        word.map_or(0, |word| self.load_one_shared(word, lane, touch))
                    }
                };
                if at.lane < self.program.lanes() {
                    self.whole(dst + at.part as u32)[at.lane].set(value);
                }
            }
        }
    }

    pub(super) fn store_matrix(
        &self,
        root: Root,
        address: Address,
        matrix: Matrix,
        src: List,
        stride: Row,
        touch: TouchId,
    ) {
        let size = self.program.subgroup_size as usize;
        let rows = self.list(src);
        for (subgroup, leader) in self.subgroups() {
            for at in matrix::elements(matrix.size as usize, size, subgroup) {
                if at.lane >= self.program.lanes() {
                    continue;
                }
                let Some(place) = self.place(root, address, leader, matrix, stride, at) else {
                    continue;
                };
                let value = self.whole(rows[at.part])[at.lane].get();
                match root {
                    Root::Storage(buffer) => {
                        self.store_one(buffer, place, matrix.element, at.lane, touch, value);
                    }
                    Root::Workgroup(first) => {
                        if let Some(word) = self.within_variable(first, place, at.lane, touch) {
                            self.store_one_shared(word, at.lane, touch, value);
                        }
                    }
                }
            }
        }
    }

    /// The word of workgroup memory, if it lies inside the variable that begins at `first`.
    fn within_variable(
        &self,
        first: u32,
        offset: u64,
        lane: usize,
        touch: TouchId,
    ) -> Option<usize> {
        let end = self.program.end_of_shared(first);
        let word = u64::from(first) + offset;
        if word < u64::from(end) {
            return Some(word as usize);
        }
        if self.checks {
            self.report_stray_shared(lane, first, offset, touch);
        }
        None
    }

    pub(super) fn multiply_add(&self, matrix: Matrix, dst: Row, operands: [List; 3]) {
        let size = self.program.subgroup_size as usize;
        let lanes = self.program.lanes();
        let [a, b, c] = operands.map(|list| {
            let rows = self.list(list).iter();
            rows.map(|row| self.whole(*row)).collect::<Vec<_>>()
        });
        let parts = a.len() as u32;
        let dst: Vec<_> = (dst..dst + parts).map(|row| self.whole(row)).collect();
        let mask: &Mask = &self.active.mask;
        let n = matrix.size as usize;
        let rounds = matrix.element == Element::Half;
        matrix::multiply_add(n, size, lanes, &dst, &a, &b, &c, mask, rounds);
    }
}
