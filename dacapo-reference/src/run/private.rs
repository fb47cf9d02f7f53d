//! Variables of one invocation, inline constants, and results that are watched.

use super::flow::Workgroup;
use crate::mask::Mask;
use crate::program::op::{Address, Element, List, OUTSIDE, Row, SiteId};

impl Workgroup<'_> {
    /// Who has written some tracked scalars.
    pub(super) fn written(&mut self, first: u32, count: u32) -> impl Iterator<Item = &mut Mask> {
        self.frame.written[first as usize..(first + count) as usize].iter_mut()
    }

    pub(super) fn check_written(&self, first: u32, count: u32, site: SiteId) {
        if !self.checks || self.run.settings.zeroed {
            return;
        }
        for scalar in first..first + count {
            let missing = self
                .active
                .mask
                .without(self.frame.written[scalar as usize]);
            if !missing.is_empty() {
                self.report_unwritten_variable(missing, scalar, site);
                return;
            }
        }
    }

    pub(super) fn load_private(
        &self,
        first: Row,
        at: Row,
        dst: Row,
        count: u32,
        tracked: Option<u32>,
        site: SiteId,
    ) {
        let offsets = self.whole(at);
        let tracked = tracked.filter(|_| self.checks && !self.run.settings.zeroed);
        self.active.each(|lane| {
            let offset = offsets[lane].get();
            for at in 0..count {
                let value = match offset {
                    OUTSIDE => 0,
                    offset => self.whole(first + offset + at)[lane].get(),
                };
                self.whole(dst + at)[lane].set(value);
            }
            if let Some(tracked) = tracked
                && offset != OUTSIDE
            {
                let mut scalars = tracked + offset..tracked + offset + count;
                let missing =
                    scalars.find(|scalar| !self.frame.written[*scalar as usize].contains(lane));
                if let Some(scalar) = missing {
                    let mut one = Mask::default();
                    one.insert(lane);
                    self.report_unwritten_variable(one, scalar, site);
                }
            }
        });
    }

    pub(super) fn store_private(&mut self, first: Row, at: Row, src: List, tracked: Option<u32>) {
        let rows = self.list(src);
        let offsets = self.frame.rows.row(at);
        let cells = &self.frame.rows;
        self.active.each(|lane| {
            let offset = offsets[lane].get();
            if offset != OUTSIDE {
                for (at, src) in (0..).zip(rows) {
                    let value = cells.row(*src)[lane].get();
                    cells.row(first + offset + at)[lane].set(value);
                }
            }
        });
        if let Some(tracked) = tracked.filter(|_| self.checks) {
            let written = &mut self.frame.written;
            self.active.each(|lane| {
                let offset = offsets[lane].get();
                if offset != OUTSIDE {
                    for at in 0..rows.len() as u32 {
                        written[(tracked + offset + at) as usize].insert(lane);
                    }
                }
            });
        }
    }

    pub(super) fn load_inline(&self, address: Address, dst: Row, count: u32, element: Element) {
        let value = |at: u64| {
            let bytes = |len: usize| self.inline.get(at as usize..at as usize + len);
            match element {
                Element::Word => {
                    bytes(4).map_or(0, |it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]))
                }
                Element::Half => {
                    bytes(2).map_or(0, |it| widened(u16::from_le_bytes([it[0], it[1]])))
                }
            }
        };
        let size = u64::from(element.bytes());
        for part in 0..count {
            let offset = u64::from(address.offset) + u64::from(part) * size;
            match address.at {
                None => {
                    let value = value(offset);
                    self.row(dst + part).iter().for_each(|cell| cell.set(value));
                }
                Some(at) => {
                    for (cell, at) in self.row(dst + part).iter().zip(self.row(at)) {
                        cell.set(match at.get() {
                            OUTSIDE => 0,
                            at => value(u64::from(at) + offset),
                        });
                    }
                }
            }
        }
    }

    pub(super) fn check_finite(&self, row: Row, inputs: List, site: SiteId) {
        const EXPONENT: u32 = 0x7f80_0000;
        let is_finite = |bits: u32| bits & EXPONENT != EXPONENT;
        if !self.checks || self.row(row).iter().all(|cell| is_finite(cell.get())) {
            return;
        }
        let inputs = self.list(inputs);
        let mut first = None;
        self.active.each(|lane| {
            let is_new = !is_finite(self.whole(row)[lane].get())
                && inputs
                    .iter()
                    .all(|input| is_finite(self.whole(*input)[lane].get()));
            if is_new && first.is_none() {
                first = Some(lane);
            }
        });
        if let Some(lane) = first {
            self.report_not_finite(lane, self.whole(row)[lane].get(), site);
        }
    }
}

/// The bits of the f32 of the same value as an f16.
pub(super) fn widened(bits: u16) -> u32 {
    half::f16::from_bits(bits).to_f32().to_bits()
}

/// The bits of the f16 of the same value as an f32.
pub(super) fn narrowed(bits: u32) -> u16 {
    half::f16::from_f32(f32::from_bits(bits)).to_bits()
}
