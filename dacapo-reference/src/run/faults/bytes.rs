//! What is wrong with an access of memory by itself.

use super::{Words, place};
use crate::mask::Mask;
use crate::program::op::{Address, OUTSIDE, SiteId, TouchId};
use crate::report::{Access, Kind, Place};
use crate::run::flow::Workgroup;
use crate::run::hints;
use crate::run::wave::Bound;

fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "reads",
        Access::Write => "writes",
        Access::Atomic => "atomically changes",
    }
}

impl Workgroup<'_> {
    /// Reports the first lane whose access does not lie inside what is bound.
    pub(in crate::run) fn report_strays(
        &self,
        bound: &Bound<'_>,
        address: Address,
        bytes: u64,
        access: Access,
        touch: TouchId,
    ) {
        let offset = |lane: usize| address.at.map_or(0, |row| self.whole(row)[lane].get());
        let at = |lane: usize| u64::from(offset(lane)) + u64::from(address.offset);
        let stray = self
            .active
            .mask
            .lanes()
            .find(|lane| offset(*lane) != OUTSIDE && at(*lane) + bytes > bound.len);
        if let Some(lane) = stray {
            self.report_stray(bound, lane, at(lane), bytes, access, touch);
        }
    }

    pub(in crate::run) fn report_stray(
        &self,
        bound: &Bound<'_>,
        lane: usize,
        at: u64,
        bytes: u64,
        access: Access,
        touch: TouchId,
    ) {
        if !self.checks {
            return;
        }
        let what = match bound.start + at + bytes > bound.region.len() {
            true => "the allocation",
            false => "what is bound",
        };
        let begin = bound.start + at;
        let message = || {
            let does = verb(access);
            match at.checked_sub(bound.len) {
                None => {
                    let beyond = at + bytes - bound.len;
                    format!(
                        "the kernel {does} {bytes} bytes, {beyond} of them beyond the end of {what}"
                    )
                }
                Some(0) => format!("the kernel {does} {bytes} bytes at the end of {what}"),
                Some(after) => {
                    format!(
                        "the kernel {does} {bytes} bytes, {after} bytes beyond the end of {what}"
                    )
                }
            }
        };
        let words = Words {
            kind: Kind::OutOfBounds,
            message: &message,
            hint: hints::OUTSIDE,
            place: Some(place(bound, begin..begin + bytes, true)),
            what: u64::from(bound.slot),
        };
        self.at_touch(lane, touch, access, words);
    }

    pub(in crate::run) fn report_undeclared(
        &self,
        bound: &Bound<'_>,
        access: Access,
        touch: TouchId,
    ) {
        let declared = match (bound.reads, bound.writes) {
            (true, _) => "only to be read",
            (_, true) => "only to be written",
            _ => "not to be touched",
        };
        let message = || {
            format!(
                "the kernel {} a buffer that was declared {declared}",
                verb(access)
            )
        };
        let words = Words {
            kind: Kind::Undeclared,
            message: &message,
            hint: hints::UNDECLARED,
            place: Some(place(bound, bound.start..bound.start + bound.len, true)),
            what: u64::from(bound.slot),
        };
        self.at_touch(self.active.lowest(), touch, access, words);
    }

    pub(in crate::run) fn report_unwritten(
        &self,
        bound: &Bound<'_>,
        lane: usize,
        begin: u64,
        bytes: u64,
        access: Access,
        touch: TouchId,
    ) {
        let message = || "the kernel reads bytes that nobody has written".to_owned();
        let words = Words {
            kind: Kind::Uninitialized,
            message: &message,
            hint: hints::UNWRITTEN_BUFFER,
            place: Some(place(bound, begin..begin + bytes, true)),
            what: u64::from(bound.slot),
        };
        self.at_touch(lane, touch, access, words);
    }

    pub(in crate::run) fn report_unwritten_shared(
        &self,
        lane: usize,
        word: usize,
        access: Access,
        touch: TouchId,
    ) {
        let message = || "the kernel reads workgroup memory that nobody has written".to_owned();
        let words = Words {
            kind: Kind::Uninitialized,
            message: &message,
            hint: hints::UNWRITTEN_SHARED,
            place: Some(self.place_in_shared(word)),
            what: 1 << 40,
        };
        self.at_touch(lane, touch, access, words);
    }

    pub(in crate::run) fn report_unwritten_variable(
        &self,
        missing: Mask,
        scalar: u32,
        site: SiteId,
    ) {
        let lane = missing.lowest().unwrap_or(0);
        let variable = self.program.tracked_name(scalar);
        let message = || "the kernel reads a variable that it has not set".to_owned();
        let words = Words {
            kind: Kind::Uninitialized,
            message: &message,
            hint: hints::UNWRITTEN_VARIABLE,
            place: Some(Place::Private { variable }),
            what: 0,
        };
        self.at_site(lane, site, words);
    }

    pub(in crate::run) fn report_stray_shared(
        &self,
        lane: usize,
        first: u32,
        offset: u64,
        touch: TouchId,
    ) {
        let message =
            || format!("the matrix reaches number {offset} of a variable, beyond its end");
        let words = Words {
            kind: Kind::OutOfBounds,
            message: &message,
            hint: hints::OUTSIDE,
            place: Some(self.place_in_shared(first as usize)),
            what: 0,
        };
        self.at_touch(lane, touch, Access::Read, words);
    }

    pub(super) fn place_in_shared(&self, word: usize) -> Place {
        let variable = self.program.shared_name(word as u32);
        Place::Workgroup { variable }
    }
}
