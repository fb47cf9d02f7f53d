//! From what a device noted to data.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dacapo::hazard::HazardKind;
use dacapo::{BarrierCause, Counters, DispatchTrace, ProfileLevel, SubmissionTrace, Trace};

use crate::profile::{
    Cause, Device, Dispatch, Fused, Kernel, Level, Profile, Span, Submission, Timed, VERSION,
};

impl Profile {
    /// What a device noted, under a title. Peaks and distortion are for those to fill in who have measured them.
    pub fn new(title: impl Into<String>, trace: &Trace) -> Profile {
        let mut tables = Tables::default();
        let submissions = trace.submissions.iter();
        let submissions = submissions.map(|it| tables.submission(it)).collect();
        let spans = trace.spans.iter().map(|span| Span {
            name: span.name.to_owned(),
            label: span.label.as_ref().to_owned(),
            thread: span.thread.as_ref().to_owned(),
            start_ns: ns(span.start),
            end_ns: ns(span.end),
        });
        let device = &trace.device;
        Profile {
            version: VERSION,
            title: title.into(),
            device: Device {
                name: device.name.clone(),
                backend: device.backend.to_string(),
                kind: device.kind.to_string(),
                compute_units: device.compute_units,
            },
            level: match trace.level {
                ProfileLevel::Off | ProfileLevel::Submissions => Level::Submissions,
                ProfileLevel::Dispatches => Level::Dispatches,
            },
            timed: timed(trace),
            clock_error_ns: trace.clock_error.map(ns),
            start_ns: ns(trace.start),
            end_ns: ns(trace.end),
            peaks: None,
            distortion: None,
            kernels: tables.kernels.entries,
            scopes: tables.scopes.entries,
            causes: tables.causes.entries,
            fused: tables.fused.entries,
            submissions,
            spans: spans.collect(),
            counters: counters(&trace.counters),
        }
    }
}

/// How dispatches were timed that were noted. A device times all in one way.
fn timed(trace: &Trace) -> Option<Timed> {
    let noted = |it: &&SubmissionTrace| it.level == ProfileLevel::Dispatches;
    let timed = trace.submissions.iter().find(noted)?.timed;
    Some(match timed {
        dacapo::Timed::InPlace => Timed::InPlace,
        dacapo::Timed::OnePassEach => Timed::OnePassEach,
    })
}

/// What many dispatches have in common, each once.
#[derive(Default)]
struct Tables {
    kernels: Table<Kernel>,
    scopes: Table<Vec<String>>,
    causes: Table<Cause>,
    fused: Table<Fused>,
}

struct Table<T> {
    entries: Vec<T>,
    places: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + core::hash::Hash> Table<T> {
    /// The index of an entry, which is added where it is new.
    fn index(&mut self, entry: T) -> u32 {
        if let Some(&place) = self.places.get(&entry) {
            return place;
        }
        // No machine has the memory for as many.
        let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(entry.clone());
        self.places.insert(entry, place);
        place
    }
}

impl Tables {
    fn submission(&mut self, submission: &SubmissionTrace) -> Submission {
        let dispatches = submission.dispatches.iter();
        Submission {
            number: submission.number,
            label: submission.label.as_ref().to_owned(),
            opened_ns: ns(submission.opened),
            committed_ns: ns(submission.committed),
            start_ns: ns(submission.device.start),
            end_ns: ns(submission.device.end),
            completed_ns: ns(submission.completed),
            failed: submission.failed,
            counters: counters(&submission.counters),
            dispatches: dispatches.map(|it| self.dispatch(it)).collect(),
        }
    }

    fn dispatch(&mut self, dispatch: &DispatchTrace) -> Dispatch {
        let kernel = Kernel {
            name: dispatch.kernel.as_ref().to_owned(),
            op: dispatch.op.as_ref().to_owned(),
        };
        let scopes = dispatch.scopes.iter();
        Dispatch {
            kernel: self.kernels.index(kernel),
            scope: self
                .scopes
                .index(scopes.map(|it| it.as_ref().to_owned()).collect()),
            node: dispatch.node,
            fused: dispatch.fused.as_ref().map(|it| self.fused(it)),
            wave: dispatch.wave,
            barrier: dispatch
                .barrier
                .as_ref()
                .map(|it| self.causes.index(cause(it))),
            read: dispatch.work.read,
            written: dispatch.work.written,
            operations: dispatch.work.operations,
            start_ns: ns(dispatch.start),
            end_ns: ns(dispatch.end),
        }
    }

    fn fused(&mut self, fused: &Arc<dacapo::Fused>) -> u32 {
        let ops = fused.parts.iter().map(|part| part.op.as_ref().to_owned());
        self.fused.index(Fused {
            rule: fused.rule.to_owned(),
            ops: ops.collect(),
        })
    }
}

fn cause(cause: &BarrierCause) -> Cause {
    let kind = match cause {
        BarrierCause::Hazard(hazard) => match hazard.kind {
            HazardKind::ReadAfterWrite => "read_after_write",
            HazardKind::WriteAfterRead => "write_after_read",
            HazardKind::WriteAfterWrite => "write_after_write",
            HazardKind::Unknown => "unknown_access",
        },
        BarrierCause::Serial => "serial",
        BarrierCause::Explicit => "explicit",
    };
    Cause {
        kind: kind.to_owned(),
        text: cause.to_string(),
    }
}

fn counters(counters: &Counters) -> BTreeMap<String, u64> {
    let counted = counters.iter().filter(|(.., count)| *count > 0);
    counted
        .map(|(name, _, count)| (name.to_owned(), count))
        .collect()
}

/// Whole nanoseconds. A profile of more than five centuries ends there.
fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
