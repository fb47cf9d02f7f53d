//! What threads did, and how submissions fared between the host and the device.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::lanes::{Lanes, assign};
use crate::trace_event::HOST;
use crate::trace_event::event::{Events, FlowEnd, Names, Track};
use crate::{Profile, Span, Submission};

#[derive(Serialize)]
struct About<'a> {
    label: &'a str,
}

#[derive(Serialize)]
struct Numbered<'a> {
    label: &'a str,
    submission: u64,
    failed: bool,
    #[serde(flatten)]
    counters: &'a BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Nothing {}

pub(super) fn write<W: Write>(
    profile: &Profile,
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    let commits = threads(profile, names, events)?;
    submissions(profile, &commits, names, events)
}

/// Where a span lies, for the arrows that begin in it.
struct Placed<'a> {
    span: &'a Span,
    track: Track,
}

fn threads<'a, W: Write>(
    profile: &'a Profile,
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<Vec<Placed<'a>>> {
    let mut spans: Vec<&Span> = profile.spans.iter().collect();
    spans.sort_by_key(|span| (span.start_ns, Reverse(span.end_ns)));
    let mut nests: BTreeMap<&str, Nest> = BTreeMap::new();
    let mut placed = Vec::with_capacity(spans.len());
    for span in spans {
        let nest = nests.entry(&span.thread).or_default();
        let lane = nest.place(span.start_ns, span.end_ns);
        let track = names.track(events, HOST, &span.thread, lane)?;
        let times = (span.start_ns, span.end_ns);
        events.complete(
            track,
            times,
            "host",
            &span.name,
            About { label: &span.label },
        )?;
        placed.push(Placed { span, track });
    }
    Ok(placed)
}

fn submissions<W: Write>(
    profile: &Profile,
    spans: &[Placed<'_>],
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    let lives: Vec<Life> = profile.submissions.iter().map(Life::of).collect();
    let lanes = assign(lives.iter().map(|life| (life.opened, life.completed)));
    for ((submission, life), lane) in profile.submissions.iter().zip(&lives).zip(lanes) {
        let track = names.track(events, HOST, "submissions in flight", lane)?;
        let whole = Numbered {
            label: &submission.label,
            submission: submission.number,
            failed: submission.failed,
            counters: &submission.counters,
        };
        events.complete(
            track,
            (life.opened, life.completed),
            "submission",
            &submission.label,
            whole,
        )?;
        for (name, from, to) in life.parts() {
            events.complete(track, (from, to), "submission", name, Nothing {})?;
        }
        let (track, at) = match committing(spans, submission) {
            // Viewers take what began last on a track, even if it has ended: at its start that is the span itself.
            Some(found) => (found.track, found.span.start_ns),
            None => (track, life.committed),
        };
        events.flow(FlowEnd::From, track, at, submission.number)?;
    }
    Ok(())
}

/// The innermost span about a submission during which it was committed. `spans` are in the order of their starts.
fn committing<'a>(spans: &'a [Placed<'a>], submission: &Submission) -> Option<&'a Placed<'a>> {
    // Spans that began long before are waits and whole programs: what commits is near.
    const NEAR: usize = 64;
    let at = submission.committed_ns;
    let after = spans.partition_point(|placed| placed.span.start_ns <= at);
    let near = spans[after.saturating_sub(NEAR)..after].iter().rev();
    near.filter(|placed| placed.span.label == submission.label)
        .find(|placed| placed.span.end_ns >= at)
}

/// The times of a submission, each at least the one before: clocks of host and device are aligned only so far.
struct Life {
    opened: u64,
    committed: u64,
    started: u64,
    ended: u64,
    completed: u64,
}

impl Life {
    fn of(submission: &Submission) -> Life {
        let opened = submission.opened_ns;
        let committed = submission.committed_ns.max(opened);
        let started = submission.start_ns.max(committed);
        let ended = submission.end_ns.max(started);
        let completed = submission.completed_ns.max(ended);
        Life {
            opened,
            committed,
            started,
            ended,
            completed,
        }
    }

    fn parts(&self) -> [(&'static str, u64, u64); 4] {
        [
            ("recorded", self.opened, self.committed),
            ("queued", self.committed, self.started),
            ("on the device", self.started, self.ended),
            ("not yet noticed", self.ended, self.completed),
        ]
    }
}

/// Rows for what nests: a row holds what contains others and what it contains.
#[derive(Debug, Default)]
struct Nest {
    /// Ends of what has not ended, innermost last.
    open: Vec<u64>,
    others: Lanes,
}

impl Nest {
    fn place(&mut self, start: u64, end: u64) -> u32 {
        while self.open.last().is_some_and(|until| *until <= start) {
            self.open.pop();
        }
        if self.open.last().is_none_or(|until| end <= *until) {
            self.open.push(end);
            return 0;
        }
        1 + self.others.place(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::Nest;

    #[test]
    fn what_neither_contains_nor_follows_gets_another_row() {
        let mut nest = Nest::default();
        let times = [(0, 10), (0, 4), (1, 4), (4, 10), (5, 12), (6, 13), (10, 11)];
        let rows: Vec<u32> = times
            .iter()
            .map(|&(start, end)| nest.place(start, end))
            .collect();
        assert_eq!(rows, [0, 0, 0, 0, 1, 2, 0]);
    }
}
