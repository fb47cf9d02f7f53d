//! Submissions of one label, or all, in figures.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::Whole;
use crate::analysis::attribution::Attribution;
use crate::analysis::barriers::{BarrierRow, BarrierWaits, op};
use crate::analysis::bound::{Bound, Bounds};
use crate::analysis::gaps::Gap;
use crate::analysis::path::{Path, PathRow, imbalance, steps};
use crate::analysis::periods::Periods;
use crate::analysis::rate::{Rate, WorkSum};
use crate::analysis::row::{Row, Rows, share};
use crate::analysis::spread::Spread;
use crate::profile::{Profile, Submission};

/// Submissions of one label, or all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// Their label; `None` for all.
    pub label: Option<String>,
    /// How many of them failed.
    pub failed: u64,
    /// How long the device was at each: from its start, or the end of the submission before it if that is later.
    pub device_ns: Spread,
    /// From the end of the submission before it to the end of each, where the one before has the same label: what a step
    /// of a loop takes, the idle device included.
    pub interval_ns: Spread,
    /// From opening its encoder, or beginning its launch, to its commit.
    pub encode_ns: Spread,
    /// From commit to the device's start.
    pub commit_to_start_ns: Spread,
    /// From the device's end to when the host saw that it was complete.
    pub end_to_seen_ns: Spread,
    /// Dispatches of each submission.
    pub dispatches: Spread,
    /// Waves of each submission.
    pub waves: Spread,
    /// Where the time of `device_ns` went.
    pub sums: Sums,
    /// From when the first dispatch of a wave was done to when the last was, over all waves: what better balance within
    /// waves could save at most.
    pub imbalance_ns: u64,
    /// What was achieved in the time of `device_ns`.
    pub rate: Rate,
    /// Where the time went, by what bounds it, that before the submissions included. Each dispatch counts to what bounds
    /// its kernel.
    pub bounds: Bounds,
    /// What most of that time went to.
    pub bound: Option<Bound>,
    /// Dispatches by kind of operation; those that took most first.
    pub ops: Vec<Row>,
    /// Dispatches by kernel; those that took most first.
    pub kernels: Vec<Row>,
    /// Dispatches by the outermost scope, in the order in which they ran.
    pub layers: Vec<Row>,
    /// Dispatches by all scopes around them, joined by ` / `, in the order in which they ran.
    pub scopes: Vec<Row>,
    /// The same with all numbers taken for the same, as in `layer * / attention`; those that took most first.
    pub parts: Vec<Row>,
    /// Waits at barriers; those that took most first.
    pub barriers: Vec<BarrierRow>,
    /// The critical path by kind of operation; that which took most first.
    pub critical: Vec<PathRow>,
    /// The critical path of the submission in the middle; of one label only.
    pub path: Option<Path>,
}

/// Where the time of submissions on the device went, to the nanosecond: the parts add up to `device_ns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// The device was at them.
    pub device_ns: u64,
    /// At least one dispatch ran: the sum of `attributed_ns` of any of the tables.
    pub busy_ns: u64,
    /// Between waves, with no dispatch running.
    pub barrier_wait_ns: u64,
    /// Between dispatches of one wave, with none running.
    pub wave_wait_ns: u64,
    /// Before the first dispatch.
    pub head_ns: u64,
    /// After the last dispatch.
    pub tail_ns: u64,
    /// Submissions of which no dispatches are known.
    pub unresolved_ns: u64,
}

impl Sums {
    fn add(&mut self, submission: &Submission, period: u64, attribution: &Attribution) {
        self.device_ns += period;
        if submission.dispatches.is_empty() {
            self.unresolved_ns += period;
            return;
        }
        self.busy_ns += attribution.busy;
        self.head_ns += attribution.head;
        self.tail_ns += attribution.tail;
        for hole in &attribution.holes {
            match hole.barrier {
                true => self.barrier_wait_ns += hole.length,
                false => self.wave_wait_ns += hole.length,
            }
        }
    }
}

/// What a section is made from.
pub(super) struct Source<'p> {
    pub(super) profile: &'p Profile,
    pub(super) periods: &'p Periods,
    pub(super) attributions: &'p [Attribution],
    pub(super) gaps: &'p [Gap],
    /// How long the device was idle before each submission, but for the first.
    pub(super) idle_before: Vec<u64>,
}

impl Section {
    /// Of submissions by their indices, in order.
    pub(super) fn of(source: &Source<'_>, label: Option<&str>, chosen: &[usize]) -> Section {
        let profile = source.profile;
        let submissions = || chosen.iter().map(|&index| &profile.submissions[index]);
        let spread = |time: fn(&Submission) -> u64| Spread::of(submissions().map(time));
        let length = |index: usize| source.periods.submissions[index].length();

        let mut sums = Sums::default();
        for &index in chosen {
            let attribution = &source.attributions[index];
            sums.add(&profile.submissions[index], length(index), attribution);
        }
        let tables = Tables::of(source, chosen, sums.device_ns);
        let mut bounds = Bounds::default();
        for kernel in &tables.kernels {
            bounds.add(kernel.bound, kernel.attributed_ns);
        }
        bounds.launch_ns += sums.head_ns + sums.tail_ns + sums.wave_wait_ns;
        bounds.barrier_wait_ns += sums.barrier_wait_ns;
        bounds.unknown_ns += sums.unresolved_ns;
        bounds.host_ns += chosen
            .iter()
            .map(|&index| source.idle_before[index])
            .sum::<u64>();

        Section {
            label: label.map(str::to_owned),
            failed: submissions().filter(|it| it.failed).count() as u64,
            device_ns: Spread::of(chosen.iter().map(|&index| length(index))),
            interval_ns: Spread::of(intervals(source, chosen)),
            encode_ns: spread(|it| it.committed_ns.saturating_sub(it.opened_ns)),
            commit_to_start_ns: spread(|it| it.start_ns.saturating_sub(it.committed_ns)),
            end_to_seen_ns: spread(|it| it.completed_ns.saturating_sub(it.end_ns)),
            dispatches: spread(|it| it.dispatches.len() as u64),
            waves: spread(waves),
            sums,
            imbalance_ns: submissions()
                .map(|it| imbalance(&it.dispatches))
                .fold(0, u64::saturating_add),
            rate: tables.work.rate(sums.device_ns, profile.peaks.as_ref()),
            bounds,
            bound: bounds.largest(),
            ops: tables.ops,
            kernels: tables.kernels,
            layers: tables.layers,
            scopes: tables.scopes,
            parts: tables.parts,
            barriers: tables.barriers,
            critical: tables.critical,
            path: label.and_then(|_| middle(source, chosen)),
        }
    }
}

impl Whole {
    /// What most of the time between the first submission's begin and the last one's end went to.
    pub(super) fn of(source: &Source<'_>, all: &Section) -> Whole {
        let mut whole = Whole {
            start_ns: source.periods.whole.start,
            end_ns: source.periods.whole.end,
            device_ns: all.sums.device_ns,
            gaps_ns: 0,
            before_ns: 0,
            after_ns: 0,
            bound: all.bound,
        };
        for gap in source.gaps {
            let sum = match (gap.after, gap.before) {
                (None, _) => &mut whole.before_ns,
                (_, None) => &mut whole.after_ns,
                _ => &mut whole.gaps_ns,
            };
            *sum += gap.end_ns - gap.start_ns;
        }
        whole
    }
}

/// All that takes one walk over dispatches.
struct Tables {
    work: WorkSum,
    ops: Vec<Row>,
    kernels: Vec<Row>,
    layers: Vec<Row>,
    scopes: Vec<Row>,
    parts: Vec<Row>,
    barriers: Vec<BarrierRow>,
    critical: Vec<PathRow>,
}

/// A path of scopes with each run of digits as one `*`.
fn without_numbers(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter.is_ascii_digit() {
            false => text.push(letter),
            true if text.ends_with('*') => {}
            true => text.push('*'),
        }
    }
    text
}

impl Tables {
    fn of(source: &Source<'_>, chosen: &[usize], device_ns: u64) -> Tables {
        let profile = source.profile;
        let mut work = WorkSum::default();
        let (mut ops, mut kernels) = (Rows::new(profile), Rows::new(profile));
        let (mut layers, mut scopes) = (Rows::new(profile), Rows::new(profile));
        let joined: Vec<[String; 2]> = profile
            .scopes
            .iter()
            .map(|path| {
                let path = path.join(" / ");
                [without_numbers(&path), path]
            })
            .collect();
        let none = Default::default();
        let mut parts = Rows::new(profile);
        let mut barriers = BarrierWaits::default();
        let mut critical: BTreeMap<&str, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        for &index in chosen {
            let submission = &profile.submissions[index];
            let attribution = &source.attributions[index];
            let attributed = attribution.dispatches.iter();
            for (dispatch, &time) in submission.dispatches.iter().zip(attributed) {
                work.add(dispatch, profile.peaks.as_ref());
                let op = op(profile, dispatch.kernel);
                ops.add(op, || op.to_owned(), dispatch, time);
                let kernel = || {
                    let kernel = profile.kernels.get(dispatch.kernel as usize);
                    kernel.map(|it| it.name.clone()).unwrap_or_default()
                };
                kernels.add(dispatch.kernel, kernel, dispatch, time);
                let path = profile.scopes.get(dispatch.scope as usize);
                let path = path.map_or(&[][..], Vec::as_slice);
                let layer = path.first().map_or("", String::as_str);
                layers.add(layer, || layer.to_owned(), dispatch, time);
                let [part, all] = joined.get(dispatch.scope as usize).unwrap_or(&none);
                scopes.add(all.as_str(), || all.clone(), dispatch, time);
                parts.add(part.as_str(), || part.clone(), dispatch, time);
            }
            barriers.add(profile, submission, &attribution.holes);
            for step in steps(&submission.dispatches, source.periods.submissions[index]) {
                let dispatch = &submission.dispatches[step.dispatch];
                let (wait, run) = critical.entry(op(profile, dispatch.kernel)).or_default();
                wait.push(step.wait_ns);
                run.push(step.run_ns);
            }
        }
        let critical = critical.into_iter().map(|(op, (wait, run))| {
            let (wait_ns, run_ns) = (Spread::of(wait), Spread::of(run));
            PathRow {
                op: op.to_owned(),
                waves: run_ns.count,
                wait_ns,
                run_ns,
                share: share(wait_ns.total + run_ns.total, device_ns),
            }
        });
        let mut critical: Vec<PathRow> = critical.collect();
        critical.sort_by_key(|row| core::cmp::Reverse(row.wait_ns.total + row.run_ns.total));
        Tables {
            work,
            ops: ops.by_time(device_ns),
            kernels: kernels.by_time(device_ns),
            layers: layers.in_order(device_ns),
            scopes: scopes.in_order(device_ns),
            parts: parts.by_time(device_ns),
            barriers: barriers.rows(device_ns),
            critical,
        }
    }
}

/// How many waves a submission has, as far as its dispatches tell.
fn waves(submission: &Submission) -> u64 {
    let mut waves: Vec<u32> = submission.dispatches.iter().map(|it| it.wave).collect();
    waves.sort_unstable();
    waves.dedup();
    waves.len() as u64
}

/// From end to end of submissions that follow each other, both with the same label.
fn intervals(source: &Source<'_>, chosen: &[usize]) -> Vec<u64> {
    let ends = &source.periods.submissions;
    let submissions = &source.profile.submissions;
    let follow = chosen.iter().filter_map(|&index| {
        let before = index.checked_sub(1)?;
        let same = submissions[before].label == submissions[index].label;
        same.then(|| ends[index].end - ends[before].end)
    });
    follow.collect()
}

/// The critical path of the submission in the middle of those with dispatches.
fn middle(source: &Source<'_>, chosen: &[usize]) -> Option<Path> {
    let submissions = &source.profile.submissions;
    let periods = &source.periods.submissions;
    let with_dispatches = chosen.iter().copied();
    let with_dispatches = with_dispatches.filter(|&it| !submissions[it].dispatches.is_empty());
    let mut order: Vec<usize> = with_dispatches.collect();
    order.sort_by_key(|&index| periods[index].length());
    let submission = *order.get(order.len().checked_sub(1)? / 2)?;
    Some(Path {
        submission,
        steps: steps(&submissions[submission].dispatches, periods[submission]),
    })
}
