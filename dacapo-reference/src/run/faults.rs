//! What is reported, and how it is put.

use core::cell::Cell;
use core::ops::Range;

use super::flow::Workgroup;
use super::frame::local_id;
use super::hints;
use super::machine::Run;
use super::wave::{Bound, Task, Work};
use crate::lanes::Trap;
use crate::mask::Mask;
use crate::memory::Touch;
use crate::program::op::{Address, OUTSIDE, Row, SiteId, TouchId};
use crate::report::{Access, Key, Kind, Party, Place, Report, Site};

/// Numbers of places in keys: accesses of memory are apart from the rest.
const TOUCH: u32 = 1 << 31;

/// The other party of a race, and what the first one did.
#[derive(Clone, Copy)]
pub(super) struct Other {
    pub(super) touch: Touch,
    pub(super) access: Access,
}

/// An invocation of a workgroup of a task.
fn party(
    task: &Task<'_>,
    group: u32,
    lane: u32,
    site: Option<Site>,
    access: Option<Access>,
) -> Party {
    let (kernel, invocation) = match &task.work {
        Work::Kernel { program, .. } => (program.name.clone(), local_id(program.workgroup, lane)),
        Work::Copy { .. } => ("copy".into(), [0; 3]),
        Work::Fill { .. } => ("fill".into(), [0; 3]),
    };
    Party {
        access,
        kernel,
        label: task.step.label.clone(),
        dispatch: task.step.number,
        workgroup: task.workgroup_id(group),
        invocation,
        site,
    }
}

/// The program of a task, by its number; 0 for a transfer.
fn program_id(task: &Task<'_>) -> u64 {
    match task.work {
        Work::Kernel { program, .. } => program.id,
        _ => 0,
    }
}

/// Whoever made a touch, as a party, and as it is named in keys.
fn toucher(run: &Run<'_>, touch: Touch, access: Access) -> Option<(Party, (u64, u32))> {
    let (task, group) = run.wave.who(touch)?;
    let (site, access) = match (&task.work, touch.site()) {
        (Work::Kernel { program, .. }, Some(site)) => (program.touch(site), program.access(site)),
        // A read only meets a write.
        _ => (None, (access == Access::Read).then_some(Access::Write)),
    };
    let key = (program_id(task), touch.site().unwrap_or(u32::MAX));
    Some((party(task, group, touch.lane(), site, access), key))
}

fn place(bound: &Bound<'_>, bytes: Range<u64>, is_kernel: bool) -> Place {
    Place::Buffer {
        label: bound.region.label().clone(),
        slot: is_kernel.then_some(bound.slot),
        bound: bound.start..bound.start + bound.len,
        bytes,
    }
}

fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "reads",
        Access::Write => "writes",
        Access::Atomic => "atomically changes",
    }
}

/// A race of a copy or a fill.
pub(super) fn describe_race(
    run: &Run<'_>,
    task: &Task<'_>,
    bound: &Bound<'_>,
    at: u64,
    other: Other,
) {
    let own = party(task, 0, 0, None, Some(other.access));
    race(run, task, bound, at, own, u32::MAX, other);
}

fn race(
    run: &Run<'_>,
    task: &Task<'_>,
    bound: &Bound<'_>,
    at: u64,
    own: Party,
    site: u32,
    other: Other,
) {
    let Some((met, met_key)) = toucher(run, other.touch, other.access) else {
        return;
    };
    let (kind, message, hint) = if met.dispatch != own.dispatch || met.kernel != own.kernel {
        (
            Kind::RaceBetweenDispatches,
            "two dispatches without a barrier between them touch the same bytes",
            hints::RACE_BETWEEN_DISPATCHES,
        )
    } else if met.workgroup != own.workgroup {
        (
            Kind::RaceBetweenWorkgroups,
            "two workgroups of one dispatch touch the same bytes",
            hints::RACE_BETWEEN_WORKGROUPS,
        )
    } else {
        (
            Kind::RaceInWorkgroup,
            "two invocations touch the same bytes without a barrier between them",
            hints::RACE_IN_WORKGROUP,
        )
    };
    let is_kernel = program_id(task) != 0;
    let key = Key {
        kind,
        kernel: program_id(task),
        site,
        other: Some(met_key),
        place: u64::from(bound.slot) << 32 | own.dispatch,
    };
    run.reports.note(key, || Report {
        kind,
        message: message.into(),
        party: own,
        other: Some(met),
        place: Some(place(bound, at..at + 4, is_kernel)),
        hint: hint.into(),
        count: 1,
    });
}

/// What a report says besides who and where.
struct Words<'a> {
    kind: Kind,
    message: &'a dyn Fn() -> String,
    hint: &'a str,
    place: Option<Place>,
    /// Tells faults at one place in the code apart.
    what: u64,
}

impl Workgroup<'_> {
    /// This workgroup's number in its task.
    fn own(&self) -> u32 {
        self.group - self.run.wave.first_group - self.task.first
    }

    fn party(&self, lane: usize, site: Option<Site>, access: Option<Access>) -> Party {
        party(self.task, self.own(), lane as u32, site, access)
    }

    fn at_site(&self, lane: usize, site: SiteId, words: Words<'_>) {
        self.note(site, words, || {
            self.party(lane, self.program.site(site), None)
        });
    }

    fn at_touch(&self, lane: usize, touch: TouchId, access: Access, words: Words<'_>) {
        self.note(touch | TOUCH, words, || {
            self.party(lane, self.program.touch(touch), Some(access))
        });
    }

    fn note(&self, site: u32, words: Words<'_>, party: impl FnOnce() -> Party) {
        let key = Key {
            kind: words.kind,
            kernel: self.program.id,
            site,
            other: None,
            place: words.what,
        };
        self.run.reports.note(key, || Report {
            kind: words.kind,
            message: (words.message)(),
            party: party(),
            other: None,
            place: words.place,
            hint: words.hint.into(),
            count: 1,
        });
    }

    pub(super) fn report_runaway(&self, mask: Mask, site: SiteId) {
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

    pub(super) fn report_divergent_barrier(&self, mask: Mask, site: SiteId) {
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

    pub(super) fn report_divergent_subgroup(
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

    pub(super) fn report_trap(
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

    pub(super) fn report_not_finite(&self, lane: usize, bits: u32, site: SiteId) {
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
    pub(super) fn report_indices(
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

    pub(super) fn report_picks(&self, index: &[Cell<u32>], len: u32, site: SiteId) {
        let stray = self
            .active
            .mask
            .lanes()
            .find(|lane| index[*lane].get() >= len);
        if let Some(lane) = stray {
            self.report_index(lane, index[lane].get(), Some(len), site);
        }
    }

    /// Reports the first lane whose access does not lie inside what is bound.
    pub(super) fn report_strays(
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

    pub(super) fn report_stray(
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
        let beyond = at + bytes - bound.len;
        let what = match bound.start + at + bytes > bound.region.len() {
            true => "the allocation",
            false => "what is bound",
        };
        let begin = bound.start + at;
        let message = || {
            format!(
                "the kernel {} {bytes} bytes, {beyond} of them beyond the end of {what}",
                verb(access)
            )
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

    pub(super) fn report_undeclared(&self, bound: &Bound<'_>, access: Access, touch: TouchId) {
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

    pub(super) fn report_unwritten(
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

    pub(super) fn report_unwritten_shared(
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

    pub(super) fn report_unwritten_variable(&self, missing: Mask, scalar: u32, site: SiteId) {
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

    pub(super) fn report_stray_shared(&self, lane: usize, first: u32, offset: u64, touch: TouchId) {
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

    fn place_in_shared(&self, word: usize) -> Place {
        let variable = self.program.shared_name(word as u32);
        Place::Workgroup { variable }
    }

    pub(super) fn report_race(
        &self,
        bound: &Bound<'_>,
        lane: usize,
        at: u64,
        access: Access,
        touch: TouchId,
        other: Touch,
    ) {
        let own = self.party(lane, self.program.touch(touch), Some(access));
        let other = Other {
            touch: other,
            access,
        };
        race(self.run, self.task, bound, at, own, touch | TOUCH, other);
    }

    pub(super) fn report_race_in_shared(
        &self,
        lane: usize,
        word: usize,
        access: Access,
        touch: TouchId,
        other: Touch,
    ) {
        let site = other.site();
        let met = self.party(
            other.lane() as usize,
            site.and_then(|site| self.program.touch(site)),
            site.and_then(|site| self.program.access(site)),
        );
        let met_key = (self.program.id, site.unwrap_or(u32::MAX));
        let key = Key {
            kind: Kind::RaceInWorkgroup,
            kernel: self.program.id,
            site: touch | TOUCH,
            other: Some(met_key),
            place: 1 << 40,
        };
        self.run.reports.note(key, || Report {
            kind: Kind::RaceInWorkgroup,
            message:
                "two invocations touch the same workgroup memory without a barrier between them"
                    .into(),
            party: self.party(lane, self.program.touch(touch), Some(access)),
            other: Some(met),
            place: Some(self.place_in_shared(word)),
            hint: hints::RACE_IN_SHARED.into(),
            count: 1,
        });
    }
}
