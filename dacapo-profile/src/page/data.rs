//! What the page is given: a profile with dispatches as columns, which takes a quarter of the room.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::lanes::assign;
use crate::profile::{Cause, Device, Dispatch, Distortion, Fused, Kernel, Level, Timed};
use crate::{Analysis, Peaks, Profile, Span, Submission};

/// Rows beyond these would be too thin to see.
const MOST_LANES: u32 = 64;

#[derive(Serialize)]
pub(super) struct Data<'a> {
    title: &'a str,
    device: &'a Device,
    level: Level,
    timed: Option<Timed>,
    clock_error_ns: Option<u64>,
    peaks: Option<&'a Peaks>,
    distortion: Option<&'a Distortion>,
    kernels: &'a [Kernel],
    scopes: &'a [Vec<String>],
    causes: &'a [Cause],
    fused: &'a [Fused],
    most_lanes: u32,
    /// Like all times here, since the recording began.
    end: i64,
    threads: Vec<&'a str>,
    spans: Vec<OfSpan<'a>>,
    submissions: Vec<OfSubmission<'a>>,
    dispatches: Columns,
    analysis: &'a Analysis,
}

#[derive(Serialize)]
struct OfSpan<'a> {
    name: &'a str,
    label: &'a str,
    thread: usize,
    start: i64,
    end: i64,
    lane: u32,
}

#[derive(Serialize)]
struct OfSubmission<'a> {
    number: u64,
    label: &'a str,
    opened: i64,
    committed: i64,
    start: i64,
    end: i64,
    completed: i64,
    failed: bool,
    counters: &'a BTreeMap<String, u64>,
    lane: u32,
    flight_lane: u32,
    /// Its dispatches are so many from here.
    first: usize,
    count: usize,
}

#[derive(Default, Serialize)]
struct Columns {
    kernel: Vec<u32>,
    scope: Vec<u32>,
    wave: Vec<u32>,
    /// Like the next two, -1 where there is none.
    node: Vec<i64>,
    fused: Vec<i64>,
    barrier: Vec<i64>,
    read: Vec<u64>,
    written: Vec<u64>,
    operations: Vec<u64>,
    start: Vec<i64>,
    length: Vec<u64>,
    lane: Vec<u32>,
}

impl<'a> Data<'a> {
    pub(super) fn of(profile: &'a Profile, analysis: &'a Analysis) -> Data<'a> {
        let zero = analysis.whole.start_ns;
        let since = |nanos: u64| nanos.wrapping_sub(zero).cast_signed();
        let mut threads = Threads::default();
        for span in &profile.spans {
            threads.add(span);
        }
        let dispatches = profile.submissions.iter().flat_map(|it| &it.dispatches);
        Data {
            title: &profile.title,
            device: &profile.device,
            level: profile.level,
            timed: profile.timed,
            clock_error_ns: profile.clock_error_ns,
            peaks: profile.peaks.as_ref(),
            distortion: profile.distortion.as_ref(),
            kernels: &profile.kernels,
            scopes: &profile.scopes,
            causes: &profile.causes,
            fused: &profile.fused,
            most_lanes: MOST_LANES,
            end: since(analysis.whole.end_ns),
            spans: threads.spans(&profile.spans, since),
            threads: threads.names,
            submissions: submissions(&profile.submissions, since),
            dispatches: Columns::of(dispatches, since),
            analysis,
        }
    }
}

/// Spans by their threads, in the order in which those first appear.
#[derive(Default)]
struct Threads<'a> {
    places: HashMap<&'a str, usize>,
    names: Vec<&'a str>,
    times: Vec<Vec<(u64, u64)>>,
}

impl<'a> Threads<'a> {
    fn add(&mut self, span: &'a Span) {
        let place = *self.places.entry(&span.thread).or_insert_with(|| {
            self.names.push(&span.thread);
            self.times.push(Vec::new());
            self.names.len() - 1
        });
        self.times[place].push((span.start_ns, span.end_ns));
    }

    /// `all` are those that were added, in the same order.
    fn spans(&self, all: &'a [Span], since: impl Fn(u64) -> i64) -> Vec<OfSpan<'a>> {
        let lanes = self.times.iter().map(|times| assign(times.iter().copied()));
        let mut lanes: Vec<_> = lanes.map(Vec::into_iter).collect();
        let spans = all.iter().map(|span| {
            let thread = self.places.get(&*span.thread).copied().unwrap_or(0);
            OfSpan {
                name: &span.name,
                label: &span.label,
                thread,
                start: since(span.start_ns),
                end: since(span.end_ns.max(span.start_ns)),
                lane: lanes.get_mut(thread).and_then(Iterator::next).unwrap_or(0),
            }
        });
        spans.collect()
    }
}

fn submissions(all: &[Submission], since: impl Fn(u64) -> i64) -> Vec<OfSubmission<'_>> {
    let on_device = assign(all.iter().map(|it| (it.start_ns, it.end_ns)));
    let in_flight = assign(all.iter().map(|it| (it.opened_ns, it.completed_ns)));
    let mut first = 0;
    let rows = all.iter().zip(on_device.into_iter().zip(in_flight));
    let rows = rows.map(|(it, (lane, flight_lane))| {
        first += it.dispatches.len();
        OfSubmission {
            number: it.number,
            label: &it.label,
            opened: since(it.opened_ns),
            committed: since(it.committed_ns),
            start: since(it.start_ns),
            end: since(it.end_ns),
            completed: since(it.completed_ns),
            failed: it.failed,
            counters: &it.counters,
            lane,
            flight_lane,
            first: first - it.dispatches.len(),
            count: it.dispatches.len(),
        }
    });
    rows.collect()
}

impl Columns {
    fn of<'a>(
        dispatches: impl Iterator<Item = &'a Dispatch> + Clone,
        since: impl Fn(u64) -> i64,
    ) -> Columns {
        let times = dispatches.clone().map(|it| (it.start_ns, it.end_ns));
        let index = |index: Option<u32>| index.map_or(-1, i64::from);
        let mut columns = Columns {
            lane: assign(times),
            ..Columns::default()
        };
        for it in dispatches {
            columns.kernel.push(it.kernel);
            columns.scope.push(it.scope);
            columns.wave.push(it.wave);
            columns.node.push(index(it.node));
            columns.fused.push(index(it.fused));
            columns.barrier.push(index(it.barrier));
            columns.read.push(it.read);
            columns.written.push(it.written);
            columns.operations.push(it.operations);
            columns.start.push(since(it.start_ns));
            columns.length.push(it.end_ns.saturating_sub(it.start_ns));
        }
        columns
    }
}
