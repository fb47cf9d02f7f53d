//! When the device was idle, and what the host did then.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::periods::{Period, Periods};
use crate::analysis::spread::Spread;
use crate::profile::Profile;

/// A time in which the device was at no submission.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// The submission that ended before it, as an index; `None` at the beginning of the recording.
    pub after: Option<usize>,
    /// The submission that began after it, as an index; `None` at the end of the recording.
    pub before: Option<usize>,
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Until the next submission was committed.
    pub uncommitted_ns: u64,
    /// Since then.
    pub committed_ns: u64,
    /// What the host did in it. Threads and nested spans overlap: the sum may be more than the gap.
    pub doing: Vec<Doing>,
    /// What remains of the gap without any span of the host.
    pub nothing_noted_ns: u64,
}

/// Something that the host did during gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doing {
    /// The name of the spans.
    pub name: String,
    /// How much of the gap lies in at least one of them.
    pub time_ns: u64,
}

/// Gaps between submissions of two labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapRow {
    /// The label of the submission before it.
    pub after: String,
    /// The label of the submission after it.
    pub before: String,
    /// Their lengths.
    pub length_ns: Spread,
    /// How much of them passed until the next submission was committed.
    pub uncommitted_ns: u64,
    /// How much of them passed since then.
    pub committed_ns: u64,
    /// What the host did in them.
    pub doing: Vec<Doing>,
    /// What remains of them without any span of the host.
    pub nothing_noted_ns: u64,
}

/// All gaps in order.
pub(super) fn gaps(profile: &Profile, periods: &Periods) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut now = periods.whole.start;
    let submissions = periods.submissions.iter().enumerate();
    let starts = submissions.map(|(index, it)| (Some(index), it.start, it.end));
    let end = (None, periods.whole.end, periods.whole.end);
    let mut after = None;
    for (before, start, end) in starts.chain([end]) {
        if start > now {
            let committed = before.map_or(start, |it| profile.submissions[it].committed_ns);
            let committed = committed.clamp(now, start);
            gaps.push(Gap {
                after,
                before,
                start_ns: now,
                end_ns: start,
                uncommitted_ns: committed - now,
                committed_ns: start - committed,
                doing: Vec::new(),
                nothing_noted_ns: start - now,
            });
        }
        (now, after) = (end, before.or(after));
    }
    for (name, spans) in spans_by_name(profile) {
        overlaps(&mut gaps, &merged(spans), |gap, time_ns| {
            let name = name.to_owned();
            gap.doing.push(Doing { name, time_ns });
        });
    }
    let all = profile.spans.iter().map(|it| (it.start_ns, it.end_ns));
    overlaps(&mut gaps, &merged(all.collect()), |gap, time_ns| {
        gap.nothing_noted_ns -= time_ns;
    });
    gaps
}

/// Gaps between submissions, those of the same two labels together, the longest in sum first.
pub(super) fn rows(profile: &Profile, gaps: &[Gap]) -> Vec<GapRow> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Gap>> = BTreeMap::new();
    for gap in gaps {
        if let (Some(after), Some(before)) = (gap.after, gap.before) {
            let label = |index: usize| profile.submissions[index].label.as_str();
            let group = groups.entry((label(after), label(before))).or_default();
            group.push(gap);
        }
    }
    let rows = groups.into_iter().map(|((after, before), gaps)| {
        let mut doing: BTreeMap<&str, u64> = BTreeMap::new();
        for it in gaps.iter().flat_map(|gap| &gap.doing) {
            *doing.entry(&it.name).or_default() += it.time_ns;
        }
        let doing = doing.into_iter().map(|(name, time_ns)| Doing {
            name: name.to_owned(),
            time_ns,
        });
        GapRow {
            after: after.to_owned(),
            before: before.to_owned(),
            length_ns: Spread::of(gaps.iter().map(|gap| gap.end_ns - gap.start_ns)),
            uncommitted_ns: gaps.iter().map(|gap| gap.uncommitted_ns).sum(),
            committed_ns: gaps.iter().map(|gap| gap.committed_ns).sum(),
            doing: doing.collect(),
            nothing_noted_ns: gaps.iter().map(|gap| gap.nothing_noted_ns).sum(),
        }
    });
    let mut rows: Vec<GapRow> = rows.collect();
    rows.sort_by_key(|row| core::cmp::Reverse(row.length_ns.total));
    rows
}

fn spans_by_name(profile: &Profile) -> BTreeMap<&str, Vec<(u64, u64)>> {
    let mut names: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for span in &profile.spans {
        let spans = names.entry(&span.name).or_default();
        spans.push((span.start_ns, span.end_ns));
    }
    names
}

/// The times that lie in at least one of `spans`, in order, without overlap.
fn merged(mut spans: Vec<(u64, u64)>) -> Vec<Period> {
    spans.sort_unstable();
    let mut merged: Vec<Period> = Vec::new();
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ if end > start => merged.push(Period { start, end }),
            _ => {}
        }
    }
    merged
}

/// Tells how much of each gap lies in `spans`, where it is anything.
fn overlaps(gaps: &mut [Gap], spans: &[Period], mut tell: impl FnMut(&mut Gap, u64)) {
    let mut first = 0;
    for gap in gaps {
        while spans.get(first).is_some_and(|it| it.end <= gap.start_ns) {
            first += 1;
        }
        let within = Period {
            start: gap.start_ns,
            end: gap.end_ns,
        };
        let until = spans[first..].iter().take_while(|it| it.start < gap.end_ns);
        let time = until.map(|it| within.clip(it.start, it.end).length()).sum();
        if time > 0 {
            tell(gap, time);
        }
    }
}
