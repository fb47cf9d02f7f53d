//! Loads, stores and atomic operations on storage buffers.

use std::sync::atomic::Ordering;

use super::flow::Workgroup;
use super::private::{narrowed, widened};
use super::wave::Bound;
use crate::lanes::atomic::AtomicOperation;
use crate::memory::{Manner, Region, Touch, Touches};
use crate::program::op::{Address, Element, List, OUTSIDE, Row, TouchId};
use crate::report::Access;

/// Operands and results of an atomic operation.
#[derive(Clone, Copy)]
pub(super) struct AtomicRows {
    pub(super) value: Row,
    pub(super) compare: Option<Row>,
    pub(super) old: Row,
    pub(super) exchanged: Row,
}

/// Elements that follow each other, at each lane's place.
#[derive(Clone, Copy)]
struct Span {
    address: Address,
    count: u32,
    element: Element,
}

impl Span {
    fn bytes(self) -> u64 {
        u64::from(self.count) * u64::from(self.element.bytes())
    }
}

#[inline(always)]
fn get(region: &Region, at: u64, element: Element) -> u32 {
    match element {
        Element::Word => region.load_word(at),
        Element::Half => widened(region.load_half(at)),
    }
}

#[inline(always)]
fn put(region: &Region, at: u64, element: Element, value: u32) {
    match element {
        Element::Word => region.store_word(at, value),
        Element::Half => region.store_half(at, narrowed(value)),
    }
}

/// What one lane's access to some bytes is remembered as: the words, and which bytes of each.
#[inline(always)]
pub(super) fn words(at: u64, bytes: u64) -> impl Iterator<Item = (usize, u32)> {
    let (first, end) = (at, at + bytes);
    (first / 4..end.div_ceil(4)).map(move |word| {
        let from = first.saturating_sub(word * 4).min(4);
        let to = (end - word * 4).min(4);
        (word as usize, (1u32 << to) - (1u32 << from))
    })
}

impl Workgroup<'_> {
    /// The byte of the region at which a lane's access begins, if it lies inside what is bound.
    #[inline(always)]
    fn begin(&self, bound: &Bound<'_>, span: Span, offset: u32) -> Option<u64> {
        let at = u64::from(offset) + u64::from(span.address.offset);
        (offset != OUTSIDE && at + span.bytes() <= bound.len).then(|| bound.start + at)
    }

    /// Calls `visit` for each lane with the byte at which its access begins; reports those that are outside.
    #[inline(always)]
    fn each_place(
        &self,
        bound: &Bound<'_>,
        span: Span,
        access: Access,
        touch: TouchId,
        mut visit: impl FnMut(usize, Option<u64>),
    ) {
        let offsets = span.address.at.map(|at| self.whole(at));
        let mut strays = false;
        self.active.each(|lane| {
            let offset = offsets.map_or(0, |offsets| offsets[lane].get());
            let begin = self.begin(bound, span, offset);
            strays |= begin.is_none();
            visit(lane, begin);
        });
        if strays && self.checks {
            self.report_strays(bound, span.address, span.bytes(), access, touch);
        }
    }

    pub(super) fn load(
        &self,
        buffer: u32,
        address: Address,
        dst: Row,
        count: u32,
        element: Element,
        touch: TouchId,
    ) {
        let bound = &self.bound[buffer as usize];
        let span = Span {
            address,
            count,
            element,
        };
        let step = u64::from(element.bytes());
        if address.at.is_none()
            && let Some(begin) = self.begin(bound, span, 0)
        {
            // The same for all.
            for part in 0..count {
                let value = get(bound.region, begin + u64::from(part) * step, element);
                self.row(dst + part).iter().for_each(|cell| cell.set(value));
            }
        } else {
            self.each_place(bound, span, Access::Read, touch, |lane, begin| {
                for part in 0..count {
                    let at = begin.map(|begin| begin + u64::from(part) * step);
                    let value = at.map_or(0, |at| get(bound.region, at, element));
                    self.whole(dst + part)[lane].set(value);
                }
            });
        }
        if self.checks {
            self.check(bound, span, Access::Read, touch);
        }
    }

    pub(super) fn store(
        &self,
        buffer: u32,
        address: Address,
        src: List,
        element: Element,
        touch: TouchId,
    ) {
        let bound = &self.bound[buffer as usize];
        let rows = self.list(src);
        let span = Span {
            address,
            count: src.len,
            element,
        };
        let step = u64::from(element.bytes());
        self.each_place(bound, span, Access::Write, touch, |lane, begin| {
            let Some(begin) = begin else { return };
            for (part, row) in (0u64..).zip(rows) {
                let value = self.whole(*row)[lane].get();
                put(bound.region, begin + part * step, element, value);
            }
        });
        if self.checks {
            self.check(bound, span, Access::Write, touch);
        }
    }

    pub(super) fn atomic(
        &self,
        buffer: u32,
        address: Address,
        op: AtomicOperation,
        rows: AtomicRows,
        touch: TouchId,
    ) {
        let bound = &self.bound[buffer as usize];
        let span = Span {
            address,
            count: 1,
            element: Element::Word,
        };
        let values = self.whole(rows.value);
        let compares = rows.compare.map(|row| self.whole(row));
        let (olds, exchanged) = (self.whole(rows.old), self.whole(rows.exchanged));
        self.each_place(bound, span, Access::Atomic, touch, |lane, begin| {
            let Some(begin) = begin else {
                olds[lane].set(0);
                exchanged[lane].set(0);
                return;
            };
            let compare = compares.map(|row| row[lane].get());
            let update = |old: u32| match compare {
                Some(compare) if compare != old => None,
                _ => Some(op.apply(old, values[lane].get())),
            };
            let word = bound.region.word(begin);
            let (old, is_exchanged) =
                match word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
                    Ok(old) => (old, 1),
                    Err(old) => (old, 0),
                };
            olds[lane].set(old);
            exchanged[lane].set(is_exchanged);
        });
        if self.checks {
            self.check(bound, span, Access::Atomic, touch);
        }
    }

    /// Looks at an access that has been made: whether it was declared, whether what it read had been written, and
    /// whether it raced.
    fn check(&self, bound: &Bound<'_>, span: Span, access: Access, touch: TouchId) {
        let (reads, writes) = (access != Access::Write, access != Access::Read);
        if (reads && !bound.reads) || (writes && !bound.writes) {
            self.report_undeclared(bound, access, touch);
        }
        if reads {
            self.check_written_bytes(bound, span, access, touch);
        }
        if writes {
            let offsets = span.address.at.map(|at| self.whole(at));
            self.active.each(|lane| {
                let offset = offsets.map_or(0, |offsets| offsets[lane].get());
                if let Some(begin) = self.begin(bound, span, offset) {
                    bound.region.mark_written(begin, span.bytes());
                }
            });
        }
        if let Some(touches) = bound.touches {
            self.check_race(bound, touches, span, access, touch);
        }
    }

    /// What an access is to races: atomic, if the variable is.
    pub(super) fn manner(&self, access: Access, touch: TouchId) -> Manner {
        let is_atomic = self.program.access(touch) == Some(Access::Atomic);
        match access {
            Access::Read if is_atomic => Manner::AtomicLoad,
            Access::Read => Manner::Read,
            Access::Write if !is_atomic => Manner::Write,
            Access::Write | Access::Atomic => Manner::Atomic,
        }
    }

    fn check_written_bytes(&self, bound: &Bound<'_>, span: Span, access: Access, touch: TouchId) {
        if bound.region.all_written() {
            return;
        }
        let offsets = span.address.at.map(|at| self.whole(at));
        let mut first = None;
        self.active.each(|lane| {
            let offset = offsets.map_or(0, |offsets| offsets[lane].get());
            if first.is_none()
                && let Some(begin) = self.begin(bound, span, offset)
                && !bound.region.is_written(begin, span.bytes())
            {
                first = Some((lane, begin));
            }
        });
        if let Some((lane, begin)) = first {
            self.report_unwritten(bound, lane, begin, span.bytes(), access, touch);
        }
    }

    #[inline(always)]
    fn check_race(
        &self,
        bound: &Bound<'_>,
        touches: &Touches,
        span: Span,
        access: Access,
        touch: TouchId,
    ) {
        let now = self.now();
        let own = self.touch(touch);
        let manner = self.manner(access, touch);
        let offsets = span.address.at.map(|at| self.whole(at));
        let mut met: Option<(usize, u64, Touch)> = None;
        self.active.each(|lane| {
            let offset = offsets.map_or(0, |offsets| offsets[lane].get());
            let Some(begin) = self.begin(bound, span, offset) else {
                return;
            };
            let own = own.by(lane as u32);
            for (word, bytes) in words(begin, span.bytes()) {
                let own = own.of(bytes);
                let other = touches.access(manner, word, own, &now);
                if met.is_none() {
                    met = other.map(|other| (lane, word as u64 * 4, other));
                }
            }
        });
        if let Some((lane, at, other)) = met {
            self.report_race(bound, lane, at, access, touch, other);
        }
    }

    /// One element, for a lane that accesses it for its subgroup; 0 where it is outside.
    pub(super) fn load_one(
        &self,
        buffer: u32,
        at: u64,
        element: Element,
        lane: usize,
        touch: TouchId,
    ) -> u32 {
        let bound = &self.bound[buffer as usize];
        let bytes = u64::from(element.bytes());
        if at + bytes > bound.len {
            self.report_stray(bound, lane, at, bytes, Access::Read, touch);
            return 0;
        }
        let begin = bound.start + at;
        if self.checks {
            if !bound.reads {
                self.report_undeclared(bound, Access::Read, touch);
            }
            if !bound.region.is_written(begin, bytes) {
                self.report_unwritten(bound, lane, begin, bytes, Access::Read, touch);
            }
            self.race_one(bound, begin, bytes, lane, Access::Read, touch);
        }
        get(bound.region, begin, element)
    }

    /// As [`Workgroup::load_one`], the other way.
    pub(super) fn store_one(
        &self,
        buffer: u32,
        at: u64,
        element: Element,
        lane: usize,
        touch: TouchId,
        value: u32,
    ) {
        let bound = &self.bound[buffer as usize];
        let bytes = u64::from(element.bytes());
        if at + bytes > bound.len {
            self.report_stray(bound, lane, at, bytes, Access::Write, touch);
            return;
        }
        let begin = bound.start + at;
        put(bound.region, begin, element, value);
        if self.checks {
            if !bound.writes {
                self.report_undeclared(bound, Access::Write, touch);
            }
            bound.region.mark_written(begin, bytes);
            self.race_one(bound, begin, bytes, lane, Access::Write, touch);
        }
    }

    fn race_one(
        &self,
        bound: &Bound<'_>,
        begin: u64,
        bytes: u64,
        lane: usize,
        access: Access,
        touch: TouchId,
    ) {
        let Some(touches) = bound.touches else { return };
        let (now, manner) = (self.now(), self.manner(access, touch));
        for (word, mask) in words(begin, bytes) {
            let own = self.touch(touch).by(lane as u32).of(mask);
            if let Some(other) = touches.access(manner, word, own, &now) {
                self.report_race(bound, lane, word as u64 * 4, access, touch, other);
            }
        }
    }
}
