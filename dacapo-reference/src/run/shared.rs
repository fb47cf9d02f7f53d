//! Loads, stores and atomic operations on workgroup memory.

use core::cell::Cell;

use super::access::AtomicRows;
use super::flow::Workgroup;
use crate::lanes::atomic::AtomicOperation;
use crate::memory::{Manner, Touch};
use crate::program::op::{Address, List, OUTSIDE, Row, TouchId};
use crate::report::Access;

impl Workgroup<'_> {
    /// The word at which a lane's access to the variable that begins at `first` begins.
    #[inline(always)]
    fn word(&self, first: u32, address: Address, offset: u32) -> Option<usize> {
        (offset != OUTSIDE).then(|| (first + address.offset + offset) as usize)
    }

    /// Calls `visit` for each lane with the word at which its access begins.
    #[inline(always)]
    fn each_word(&self, first: u32, address: Address, mut visit: impl FnMut(usize, Option<usize>)) {
        let offsets = address.at.map(|at| self.whole(at));
        self.active.each(|lane| {
            let offset = offsets.map_or(0, |offsets| offsets[lane].get());
            visit(lane, self.word(first, address, offset));
        });
    }

    #[inline(always)]
    fn cell(&self, word: usize) -> Option<&Cell<u32>> {
        self.frame.shared.words.get(word)
    }

    pub(super) fn load_shared(
        &self,
        first: u32,
        address: Address,
        dst: Row,
        count: u32,
        touch: TouchId,
    ) {
        self.each_word(first, address, |lane, word| {
            for part in 0..count {
                let cell = word.and_then(|word| self.cell(word + part as usize));
                self.whole(dst + part)[lane].set(cell.map_or(0, Cell::get));
            }
        });
        if self.checks {
            self.check_shared(first, address, count, Access::Read, touch);
        }
    }

    pub(super) fn store_shared(&self, first: u32, address: Address, src: List, touch: TouchId) {
        let rows = self.list(src);
        self.each_word(first, address, |lane, word| {
            for (part, row) in rows.iter().enumerate() {
                if let Some(cell) = word.and_then(|word| self.cell(word + part)) {
                    cell.set(self.whole(*row)[lane].get());
                }
            }
        });
        if self.checks {
            self.check_shared(first, address, src.len, Access::Write, touch);
        }
    }

    pub(super) fn atomic_shared(
        &self,
        first: u32,
        address: Address,
        op: AtomicOperation,
        rows: AtomicRows,
        touch: TouchId,
    ) {
        let values = self.whole(rows.value);
        let compares = rows.compare.map(|row| self.whole(row));
        let (olds, exchanged) = (self.whole(rows.old), self.whole(rows.exchanged));
        self.each_word(first, address, |lane, word| {
            let Some(cell) = word.and_then(|word| self.cell(word)) else {
                olds[lane].set(0);
                exchanged[lane].set(0);
                return;
            };
            let old = cell.get();
            let fits = compares.is_none_or(|row| row[lane].get() == old);
            if fits {
                cell.set(op.apply(old, values[lane].get()));
            }
            olds[lane].set(old);
            exchanged[lane].set(u32::from(fits));
        });
        if self.checks {
            self.check_shared(first, address, 1, Access::Atomic, touch);
        }
    }

    fn check_shared(
        &self,
        first: u32,
        address: Address,
        count: u32,
        access: Access,
        touch: TouchId,
    ) {
        let count = count as usize;
        let shared = &self.frame.shared;
        if access != Access::Write && !self.run.settings.zeroed {
            let mut missing = None;
            self.each_word(first, address, |lane, word| {
                if let (None, Some(word)) = (missing, word) {
                    let mut words = word..word + count;
                    missing = words
                        .find(|word| !shared.is_written(*word))
                        .map(|word| (lane, word));
                }
            });
            if let Some((lane, word)) = missing {
                self.report_unwritten_shared(lane, word, access, touch);
            }
        }
        if access != Access::Read {
            self.each_word(first, address, |_, word| {
                if let Some(word) = word {
                    (word..word + count).for_each(|word| shared.mark_written(word));
                }
            });
        }
        let manner = self.manner(access, touch);
        let mut met: Option<(usize, usize, Touch)> = None;
        let own = self.touch_in_workgroup(touch);
        self.each_word(first, address, |lane, word| {
            let Some(word) = word else { return };
            for word in word..word + count {
                let other = self.race_shared(word, own.by(lane as u32), manner);
                if let (None, Some(other)) = (met, other) {
                    met = Some((lane, word, other));
                }
            }
        });
        if let Some((lane, word, other)) = met {
            self.report_race_in_shared(lane, word, access, touch, other);
        }
    }

    #[inline(always)]
    fn race_shared(&self, word: usize, own: Touch, manner: Manner) -> Option<Touch> {
        let touches = self.frame.shared.touches.as_ref()?;
        touches.access(manner, word, own, &self.now_in_workgroup())
    }

    /// One word, for a lane that accesses it for its subgroup; 0 where it is outside.
    pub(super) fn load_one_shared(&self, word: usize, lane: usize, touch: TouchId) -> u32 {
        if self.checks {
            if !self.run.settings.zeroed && !self.frame.shared.is_written(word) {
                self.report_unwritten_shared(lane, word, Access::Read, touch);
            }
            let own = self.touch_in_workgroup(touch).by(lane as u32);
            if let Some(other) = self.race_shared(word, own, Manner::Read) {
                self.report_race_in_shared(lane, word, Access::Read, touch, other);
            }
        }
        self.cell(word).map_or(0, Cell::get)
    }

    /// As [`Workgroup::load_one_shared`], the other way.
    pub(super) fn store_one_shared(&self, word: usize, lane: usize, touch: TouchId, value: u32) {
        if let Some(cell) = self.cell(word) {
            cell.set(value);
        }
        if self.checks {
            self.frame.shared.mark_written(word);
            let own = self.touch_in_workgroup(touch).by(lane as u32);
            if let Some(other) = self.race_shared(word, own, Manner::Write) {
                self.report_race_in_shared(lane, word, Access::Write, touch, other);
            }
        }
    }
}
