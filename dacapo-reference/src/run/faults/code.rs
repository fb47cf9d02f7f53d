//! What is wrong at a place in the code, whatever the memory.

use core::cell::Cell;
use core::ops::Range;

use super::Words;
use crate::lanes::Trap;
use crate::mask::Mask;
use crate::program::op::{OUTSIDE, Row, SiteId};
use crate::report::Kind;
use crate::run::flow::Workgroup;
use crate::run::frame::local_id;
use crate::run::hints;

impl Workgroup<'_> {
    pub(in crate::run) fn report_runaway(&self, mask: Mask, site: SiteId) {
        let lane = mask.lowest().unwrap_or(0);
        let (count, limit) = (mask.count(), self.run.settings.steps);
        let message = || format!("{count} invocations are still in this loop after {limit} steps");
        self.at_site(
            lane,
            site,
            Words {
                kind: Kind::Runaway,
                message: &message,
                hint: hints::RUNAWAY,
                place: None,
                what: 0,
            },
        );
    }

    pub(in crate::run) fn report_divergent_barrier(&self, mask: Mask, site: SiteId) {
        let missing = self.all.without(mask);
        let lane = missing.lowest().unwrap_or(0);
        let (here, all) = (mask.count(), self.all.count());
        let absent = local_id(self.program.workgroup, lane as u32);
        let message =
            || format!("{here} of {all} invocations reach this barrier; {absent:?} does not");
        self.at_site(
            mask.lowest().unwrap_or(0),
            site,
            Words {
                kind: Kind::Divergence,
                message: &message,
                hint: hints::DIVERGENT_BARRIER,
                place: None,
                what: 0,
            },
        );
    }

    pub(in crate::run) fn report_divergent_subgroup(
        &self,
        members: Range<usize>,
        active: usize,
        site: SiteId,
    ) {
        let lane = members
            .clone()
            .find(|lane| self.active.mask.contains(*lane));
        let size = members.len();
        let message =
            || format!("{active} of {size} invocations of a subgroup reach this operation");
        self.at_site(
            lane.unwrap_or(0),
            site,
            Words {
                kind: Kind::Divergence,
                message: &message,
                hint: hints::DIVERGENT_SUBGROUP,
                place: None,
                what: 0,
            },
        );
    }

    pub(in crate::run) fn report_trap(
        &self,
        trap: Trap,
        trapped: Mask,
        a: &[Cell<u32>],
        b: &[Cell<u32>],
        site: SiteId,
    ) {
        let lane = trapped.lowest().unwrap_or(0);
        let (a, b) = (a[lane].get(), b[lane].get());
        let (text, hint) = match trap {
            Trap::DivI => (
                format!("{} is divided by {}", a as i32, b as i32),
                hints::DIVISION,
            ),
            Trap::DivU => (format!("{a} is divided by {b}"), hints::DIVISION),
            Trap::Shift => (format!("32 bits are shifted by {b}"), hints::SHIFT),
            Trap::FToI => (
                format!(
                    "{:?} is converted to i32, which cannot hold it",
                    f32::from_bits(a)
                ),
                hints::CONVERSION,
            ),
            Trap::FToU => (
                format!(
                    "{:?} is converted to u32, which cannot hold it",
                    f32::from_bits(a)
                ),
                hints::CONVERSION,
            ),
        };
        let words = Words {
            kind: Kind::Arithmetic,
            message: &|| text.clone(),
            hint,
            place: None,
            what: trap as u64,
        };
        self.at_site(lane, site, words);
    }

    pub(in crate::run) fn report_not_finite(&self, lane: usize, bits: u32, site: SiteId) {
        let message = || format!("{:?} comes out of finite operands", f32::from_bits(bits));
        let words = Words {
            kind: Kind::NotFinite,
            message: &message,
            hint: hints::NOT_FINITE,
            place: None,
            what: 0,
        };
        self.at_site(lane, site, words);
    }

    fn report_index(&self, lane: usize, index: u32, len: Option<u32>, site: SiteId) {
        let message = || match len {
            Some(len) => format!("index {index} of {len} elements"),
            None => format!("index {index} is beyond any buffer"),
        };
        let words = Words {
            kind: Kind::OutOfBounds,
            message: &message,
            hint: hints::OUTSIDE,
            place: None,
            what: 0,
        };
        self.at_site(lane, site, words);
    }

    /// Reports the first index that left its array here, and not before.
    pub(in crate::run) fn report_indices(
        &self,
        dst: Row,
        index: Row,
        base: Option<Row>,
        len: Option<u32>,
        site: SiteId,
    ) {
        let (out, indices) = (self.whole(dst), self.whole(index));
        let strays = self.active.mask.lanes().find(|lane| {
            let was_inside = base.is_none_or(|base| self.whole(base)[*lane].get() != OUTSIDE);
            out[*lane].get() == OUTSIDE && was_inside
        });
        if let Some(lane) = strays {
            self.report_index(lane, indices[lane].get(), len, site);
        }
    }

    pub(in crate::run) fn report_picks(&self, index: &[Cell<u32>], len: u32, site: SiteId) {
        let stray = self
            .active
            .mask
            .lanes()
            .find(|lane| index[*lane].get() >= len);
        if let Some(lane) = stray {
            self.report_index(lane, index[lane].get(), Some(len), site);
        }
    }
}
