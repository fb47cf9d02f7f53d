//! Dispatches between two barriers.

use crate::{Dispatch, Submission};

/// A wave of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wave<'a> {
    /// How many barriers stand in front of it.
    pub(crate) number: u32,
    /// The barrier in front of it, as an index into [`Profile::causes`](crate::Profile::causes).
    pub(crate) barrier: Option<u32>,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// From when the wave in front of it ended until it began.
    pub(crate) waited_ns: u64,
    pub(crate) dispatches: &'a [Dispatch],
}

/// The waves of a submission, in order.
pub(crate) fn waves(submission: &Submission) -> impl Iterator<Item = Wave<'_>> {
    let mut before = None;
    let of_one = submission
        .dispatches
        .chunk_by(|first, second| first.wave == second.wave);
    of_one.map(move |dispatches| {
        let start_ns = dispatches.iter().map(|d| d.start_ns).min().unwrap_or(0);
        let end_ns = dispatches
            .iter()
            .map(|d| d.end_ns)
            .max()
            .unwrap_or(0)
            .max(start_ns);
        let waited_ns = before.map_or(0, |before| start_ns.saturating_sub(before));
        before = Some(end_ns);
        Wave {
            number: dispatches.first().map_or(0, |d| d.wave),
            barrier: dispatches.iter().find_map(|d| d.barrier),
            start_ns,
            end_ns,
            waited_ns,
            dispatches,
        }
    })
}
