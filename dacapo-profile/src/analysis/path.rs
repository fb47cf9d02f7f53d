//! What a submission could not have been faster than, with its dispatches as they were.

use serde::Serialize;

use crate::analysis::periods::Period;
use crate::analysis::spread::Spread;
use crate::profile::Dispatch;

/// A wave on the critical path. From the end of the wave before it, or the start of the submission, to its own end is
/// `wait_ns + run_ns`; what follows the last wave is [`Sums::tail_ns`](super::Sums::tail_ns).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PathStep {
    /// The wave.
    pub wave: u32,
    /// Its dispatch that ended last, as an index into the submission's dispatches.
    pub dispatch: usize,
    /// Until that dispatch began.
    pub wait_ns: u64,
    /// Until it ended.
    pub run_ns: u64,
}

/// Waves whose last dispatch was of one kind of operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathRow {
    /// The kind of operation.
    pub op: String,
    /// Waves in all submissions.
    pub waves: u64,
    /// Until these dispatches began, after the wave before.
    pub wait_ns: Spread,
    /// From their begin to their end.
    pub run_ns: Spread,
    /// Both as a share of the time that the device was at the submissions.
    pub share: f64,
}

/// One submission's critical path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Path {
    /// The submission, as an index into [`Profile::submissions`](crate::Profile::submissions): the one in the middle of
    /// those with the same label, by the time that the device was at it.
    pub submission: usize,
    /// Its waves in order.
    pub steps: Vec<PathStep>,
}

/// The waves of a submission in order, each with the dispatch that ended last.
pub(super) fn steps(dispatches: &[Dispatch], period: Period) -> Vec<PathStep> {
    let mut order: Vec<usize> = (0..dispatches.len()).collect();
    order.sort_by_key(|&index| dispatches[index].wave);
    let mut end = period.start;
    let waves = order.chunk_by(|&a, &b| dispatches[a].wave == dispatches[b].wave);
    let steps = waves.filter_map(|wave| {
        let dispatch = *wave.iter().max_by_key(|&&at| dispatches[at].end_ns)?;
        let last = &dispatches[dispatch];
        let clip = Period {
            start: end,
            ..period
        }
        .clip(last.start_ns, last.end_ns);
        let step = PathStep {
            wave: last.wave,
            dispatch,
            wait_ns: clip.start - end,
            run_ns: clip.length(),
        };
        end = clip.end;
        Some(step)
    });
    steps.collect()
}

/// From when the first dispatch of a wave was done to when the last was, over all waves.
pub(super) fn imbalance(dispatches: &[Dispatch]) -> u64 {
    let mut ends: Vec<(u32, u64)> = dispatches.iter().map(|it| (it.wave, it.end_ns)).collect();
    ends.sort_unstable();
    let waves = ends.chunk_by(|a, b| a.0 == b.0);
    waves
        .filter_map(|wave| Some(wave.last()?.1 - wave.first()?.1))
        .fold(0, u64::saturating_add)
}
