//! What changes over time: how busy the device is, and how fast.

use std::io::{self, Write};

use crate::trace_event::event::{Events, rounded};
use crate::waves::waves;
use crate::{Dispatch, Profile};

pub(super) fn write<W: Write>(profile: &Profile, events: &mut Events<'_, W>) -> io::Result<()> {
    let submissions = || profile.submissions.iter();
    in_flight(
        ("submissions", "in flight"),
        submissions().map(|s| (s.committed_ns, s.completed_ns)),
        events,
    )?;
    in_flight(
        ("device", "busy"),
        submissions().map(|s| (s.start_ns, s.end_ns)),
        events,
    )?;
    in_flight(
        ("dispatches", "running"),
        submissions()
            .flat_map(|s| &s.dispatches)
            .map(|d| (d.start_ns, d.end_ns)),
        events,
    )?;
    rates(profile, events)
}

/// How many of `times` hold, at each time where that changes.
fn in_flight<W: Write>(
    name: (&str, &str),
    times: impl Iterator<Item = (u64, u64)>,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    let mut changes: Vec<(u64, i64)> = times
        .filter(|(start, end)| start < end)
        .flat_map(|(start, end)| [(start, 1), (end, -1)])
        .collect();
    changes.sort_unstable();
    let (mut now, mut shown) = (0, 0);
    for at_once in changes.chunk_by(|first, second| first.0 == second.0) {
        now += at_once.iter().map(|(_, change)| change).sum::<i64>();
        if now != shown {
            events.counter(name, at_once[0].0, now as f64)?;
            shown = now;
        }
    }
    Ok(())
}

/// Bytes and operations of each wave over its time; nothing between waves.
fn rates<W: Write>(profile: &Profile, events: &mut Events<'_, W>) -> io::Result<()> {
    let all = profile.submissions.iter().flat_map(waves);
    let mut timed = all.filter(|wave| wave.start_ns < wave.end_ns).peekable();
    while let Some(wave) = timed.next() {
        let sum = |of: fn(&Dispatch) -> u64| {
            let each = wave.dispatches.iter().map(of);
            rate(
                each.fold(0, u64::saturating_add),
                wave.end_ns - wave.start_ns,
            )
        };
        let idle = timed.peek().is_none_or(|next| wave.end_ns < next.start_ns);
        for (name, value) in [
            (
                ("bandwidth", "GB/s"),
                sum(|d| d.read.saturating_add(d.written)),
            ),
            (("arithmetic", "GFLOP/s"), sum(|d| d.operations)),
        ] {
            events.counter(name, wave.start_ns, rounded(value.unwrap_or(0.0)))?;
            if idle {
                events.counter(name, wave.end_ns, 0.0)?;
            }
        }
    }
    Ok(())
}

/// Billions of `amount` in a second. Nanoseconds make that a plain quotient.
fn rate(amount: u64, nanos: u64) -> Option<f64> {
    (nanos > 0).then(|| amount as f64 / nanos as f64)
}
