//! Two accesses that nothing orders.

use super::{TOUCH, party, place, program_id};
use crate::memory::Touch;
use crate::program::op::TouchId;
use crate::report::{Access, Key, Kind, Party, Report};
use crate::run::flow::Workgroup;
use crate::run::hints;
use crate::run::machine::Run;
use crate::run::wave::{Bound, Task, Work};

/// The other party of a race, and what the first one did.
#[derive(Clone, Copy)]
pub(in crate::run) struct Other {
    pub(in crate::run) touch: Touch,
    pub(in crate::run) access: Access,
}

/// A race of a copy or a fill.
pub(in crate::run) fn describe_race(
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

impl Workgroup<'_> {
    pub(in crate::run) fn report_race(
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

    pub(in crate::run) fn report_race_in_shared(
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
