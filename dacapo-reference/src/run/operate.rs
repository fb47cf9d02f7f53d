//! One operation, for all who take part.

use core::cell::Cell;

use super::flow::Workgroup;
use crate::lanes;
use crate::program::op::{OUTSIDE, Op, Root, Row, SiteId};

impl Workgroup<'_> {
    #[inline(always)]
    pub(super) fn operate(&mut self, op: &Op) {
        match *op {
            Op::Unary { op, dst, a } => lanes::unary(op, self.row(dst), self.row(a)),
            Op::Binary { op, dst, a, b } => {
                lanes::binary(op, self.row(dst), self.row(a), self.row(b));
            }
            Op::Ternary { op, dst, a, b, c } => {
                lanes::ternary(op, self.row(dst), self.row(a), self.row(b), self.row(c));
            }
            Op::InsertBits {
                dst,
                value,
                bits,
                offset,
                count,
            } => {
                let [value, bits, offset, count] =
                    [value, bits, offset, count].map(|row| self.row(row));
                lanes::insert_bits(self.row(dst), value, bits, offset, count);
            }
            Op::Copy { dst, src } => copy(self.row(dst), self.row(src)),
            Op::Set { dst, src } => self.set(dst, src),
            Op::Trap { trap, a, b, site } => {
                if self.checks {
                    let (a, b) = (self.whole(a), self.whole(b));
                    let trapped = lanes::trapped(trap, a, b, &self.active.mask);
                    if !trapped.is_empty() {
                        self.report_trap(trap, trapped, a, b, site);
                    }
                }
            }
            Op::Finite { row, inputs, site } => self.check_finite(row, inputs, site),
            Op::Index {
                dst,
                index,
                base,
                stride,
                len,
                site,
            } => self.index(dst, index, base, stride, len, site),
            Op::Load {
                root,
                address,
                dst,
                count,
                element,
                touch,
            } => match root {
                Root::Storage(buffer) => self.load(buffer, address, dst, count, element, touch),
                Root::Workgroup(first) => self.load_shared(first, address, dst, count, touch),
            },
            Op::Store {
                root,
                address,
                src,
                element,
                touch,
            } => match root {
                Root::Storage(buffer) => self.store(buffer, address, src, element, touch),
                Root::Workgroup(first) => self.store_shared(first, address, src, touch),
            },
            Op::LoadInline {
                address,
                dst,
                count,
                element,
            } => self.load_inline(address, dst, count, element),
            Op::LoadPrivate {
                first,
                at,
                dst,
                count,
                tracked,
                site,
            } => self.load_private(first, at, dst, count, tracked, site),
            Op::StorePrivate {
                first,
                at,
                src,
                tracked,
            } => self.store_private(first, at, src, tracked),
            Op::Mark { first, count } => {
                if self.checks {
                    let mask = self.active.mask;
                    self.written(first, count).for_each(|own| *own |= mask);
                }
            }
            Op::Unmark { first, count } => {
                let mask = self.active.mask;
                self.written(first, count)
                    .for_each(|own| *own = own.without(mask));
            }
            Op::CheckWritten { first, count, site } => self.check_written(first, count, site),
            Op::Atomic {
                root,
                address,
                op,
                value,
                compare,
                old,
                exchanged,
                touch,
            } => {
                let rows = super::access::AtomicRows {
                    value,
                    compare,
                    old,
                    exchanged,
                };
                match root {
                    Root::Storage(buffer) => self.atomic(buffer, address, op, rows, touch),
                    Root::Workgroup(first) => self.atomic_shared(first, address, op, rows, touch),
                }
            }
            Op::ArrayLength {
                dst,
                binding,
                offset,
                stride,
            } => {
                let bytes = self.bound[binding as usize].len;
                let len = bytes.saturating_sub(u64::from(offset)) / u64::from(stride.max(1));
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                self.row(dst).iter().for_each(|cell| cell.set(len));
            }
            Op::Pick {
                dst,
                src,
                count,
                index,
                site,
            } => self.pick(dst, src, count, index, site),
            Op::Reduce {
                op,
                scan,
                dst,
                a,
                site,
            } => self.reduce(op, scan, dst, a, site),
            Op::Ballot {
                dst,
                predicate,
                site,
            } => self.ballot(dst, predicate, site),
            Op::Gather {
                kind,
                dst,
                a,
                index,
                site,
            } => self.gather(kind, dst, a, index, site),
            Op::LoadMatrix {
                root,
                address,
                matrix,
                dst,
                stride,
                touch,
                site,
            } => {
                self.check_subgroups(site);
                self.load_matrix(root, address, matrix, dst, stride, touch);
            }
            Op::StoreMatrix {
                root,
                address,
                matrix,
                src,
                stride,
                touch,
                site,
            } => {
                self.check_subgroups(site);
                self.store_matrix(root, address, matrix, src, stride, touch);
            }
            Op::MultiplyAdd {
                matrix,
                dst,
                a,
                b,
                c,
                site,
            } => {
                self.check_subgroups(site);
                self.multiply_add(matrix, dst, [a, b, c]);
            }
        }
    }

    /// A copy for those who take part.
    fn set(&self, dst: Row, src: Row) {
        let (dst, src) = (self.whole(dst), self.whole(src));
        self.active.each(|lane| dst[lane].set(src[lane].get()));
    }

    fn index(
        &self,
        dst: Row,
        index: Row,
        base: Option<Row>,
        stride: u32,
        len: Option<u32>,
        site: SiteId,
    ) {
        let (out, indices) = (self.row(dst), self.row(index));
        let limit = len.map_or(u64::from(u32::MAX), u64::from);
        let place = |base: u32, index: u32| {
            let at = u64::from(base) + u64::from(index) * u64::from(stride);
            let fits = base != OUTSIDE && u64::from(index) < limit && at < u64::from(OUTSIDE);
            if fits { at as u32 } else { OUTSIDE }
        };
        let mut greatest = 0;
        match base.map(|base| self.row(base)) {
            None => {
                for (out, index) in out.iter().zip(indices) {
                    let at = place(0, index.get());
                    greatest = greatest.max(at);
                    out.set(at);
                }
            }
            Some(bases) => {
                for ((out, index), base) in out.iter().zip(indices).zip(bases) {
                    let at = place(base.get(), index.get());
                    greatest = greatest.max(at);
                    out.set(at);
                }
            }
        }
        if greatest == OUTSIDE && self.checks {
            self.report_indices(dst, index, base, len, site);
        }
    }

    fn pick(&self, dst: Row, src: crate::program::op::List, count: u32, index: Row, site: SiteId) {
        let rows = self.list(src);
        let len = rows.len() as u32 / count.max(1);
        let index = self.whole(index);
        let mut is_outside = false;
        self.active.each(|lane| {
            let part = index[lane].get();
            is_outside |= part >= len;
            for at in 0..count {
                let value = match part < len {
                    true => self.whole(rows[(part * count + at) as usize])[lane].get(),
                    false => 0,
                };
                self.whole(dst + at)[lane].set(value);
            }
        });
        if is_outside && self.checks {
            self.report_picks(index, len, site);
        }
    }
}

#[inline(always)]
fn copy(dst: &[Cell<u32>], src: &[Cell<u32>]) {
    for (dst, src) in dst.iter().zip(src) {
        dst.set(src.get());
    }
}
