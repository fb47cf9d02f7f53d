//! What barriers made the device wait for.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::analysis::attribution::Hole;
use crate::analysis::row::share;
use crate::analysis::spread::Spread;
use crate::profile::{Profile, Submission};

/// Waits at barriers for the same reason between the same kinds of operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BarrierRow {
    /// The kind of [`Cause`](crate::Cause); empty where none was noted.
    pub cause: String,
    /// The kind of operation of the dispatch that ended last before it.
    pub before: String,
    /// The kind of operation of the dispatch that began first after it.
    pub after: String,
    /// From the end of the one to the begin of the other, with nothing running.
    pub wait_ns: Spread,
    /// As a share of the time that the device was at the submissions.
    pub share: f64,
    /// One of the causes in words.
    pub example: String,
}

#[derive(Default)]
pub(super) struct BarrierWaits<'p> {
    waits: BTreeMap<(&'p str, &'p str, &'p str), (Vec<u64>, &'p str)>,
}

impl<'p> BarrierWaits<'p> {
    pub(super) fn add(&mut self, profile: &'p Profile, submission: &'p Submission, holes: &[Hole]) {
        let dispatches = &submission.dispatches;
        let mut causes: HashMap<u32, u32> = HashMap::new();
        for dispatch in dispatches {
            if let Some(cause) = dispatch.barrier {
                causes.entry(dispatch.wave).or_insert(cause);
            }
        }
        for hole in holes.iter().filter(|hole| hole.barrier) {
            let op = |index: usize| op(profile, dispatches[index].kernel);
            let cause = causes
                .get(&dispatches[hole.after].wave)
                .and_then(|cause| profile.causes.get(*cause as usize));
            let (kind, text) = cause.map_or(("", ""), |it| (&it.kind, &it.text));
            let key = (kind, op(hole.before), op(hole.after));
            let (waits, _) = self.waits.entry(key).or_insert((Vec::new(), text));
            waits.push(hole.length);
        }
    }

    /// Those that took most first.
    pub(super) fn rows(self, device_ns: u64) -> Vec<BarrierRow> {
        let rows = self.waits.into_iter().map(|(key, (waits, example))| {
            let (cause, before, after) = key;
            let wait_ns = Spread::of(waits);
            BarrierRow {
                cause: cause.to_owned(),
                before: before.to_owned(),
                after: after.to_owned(),
                wait_ns,
                share: share(wait_ns.total, device_ns),
                example: example.to_owned(),
            }
        });
        let mut rows: Vec<BarrierRow> = rows.collect();
        rows.sort_by_key(|row| core::cmp::Reverse(row.wait_ns.total));
        rows
    }
}

/// The kind of operation of a kernel.
pub(super) fn op(profile: &Profile, kernel: u32) -> &str {
    let kernel = profile.kernels.get(kernel as usize);
    kernel.map_or("", |kernel| &kernel.op)
}
