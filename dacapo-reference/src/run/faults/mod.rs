//! What is reported, and how it is put.

mod bytes;
mod code;
mod race;

use core::ops::Range;

use super::flow::Workgroup;
use super::frame::local_id;
use super::wave::{Bound, Task, Work};
use crate::program::op::{SiteId, TouchId};
use crate::report::{Access, Key, Kind, Party, Place, Report, Site};

pub(super) use race::{Other, describe_race};

/// Numbers of places in keys: accesses of memory are apart from the rest.
const TOUCH: u32 = 1 << 31;

/// What a report says besides who and where.
struct Words<'a> {
    kind: Kind,
    message: &'a dyn Fn() -> String,
    hint: &'a str,
    place: Option<Place>,
    /// Tells faults at one place in the code apart.
    what: u64,
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

fn place(bound: &Bound<'_>, bytes: Range<u64>, is_kernel: bool) -> Place {
    Place::Buffer {
        label: bound.region.label().clone(),
        slot: is_kernel.then_some(bound.slot),
        bound: bound.start..bound.start + bound.len,
        bytes,
    }
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
}
