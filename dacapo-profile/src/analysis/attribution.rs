//! Who the time of a submission belongs to.

use crate::analysis::periods::Period;
use crate::profile::Dispatch;

/// The time of a submission without anything left over: `busy + head + tail` and the holes are its period.
pub(crate) struct Attribution {
    /// Of each dispatch: each moment is divided equally among the dispatches that run then. Together they are `busy`.
    pub(crate) dispatches: Vec<u64>,
    /// At least one dispatch ran.
    pub(crate) busy: u64,
    /// Before the first dispatch. All of a submission of which no dispatch is known.
    pub(crate) head: u64,
    /// After the last.
    pub(crate) tail: u64,
    /// No dispatch ran, but some had before and some did later.
    pub(crate) holes: Vec<Hole>,
}

/// A time between dispatches in which none ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) length: u64,
    /// The dispatch that had ended last.
    pub(crate) before: usize,
    /// The dispatch that began then.
    pub(crate) after: usize,
    /// Whether the one after belongs to a later wave than all before.
    pub(crate) barrier: bool,
}

/// A dispatch begins or ends. Ends come first, so that dispatches which meet do not share a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    End,
    Start,
}

impl Attribution {
    pub(crate) fn of(dispatches: &[Dispatch], period: Period) -> Attribution {
        let clipped = dispatches
            .iter()
            .map(|it| period.clip(it.start_ns, it.end_ns));
        let clipped: Vec<Period> = clipped.collect();
        let mut edges = Vec::with_capacity(2 * clipped.len());
        for (index, clip) in clipped.iter().enumerate() {
            if clip.length() > 0 {
                edges.push((clip.start, Edge::Start, index));
                edges.push((clip.end, Edge::End, index));
            }
        }
        edges.sort_unstable();
        let (Some(&(first, ..)), Some(&(last, ..))) = (edges.first(), edges.last()) else {
            return Attribution {
                dispatches: vec![0; clipped.len()],
                busy: 0,
                head: period.length(),
                tail: 0,
                holes: Vec::new(),
            };
        };
        // A clock that runs at a `running`-th of the speed: a dispatch gets what passes on it while it runs.
        let (mut clock, mut running, mut now) = (0.0, 0u32, first);
        let mut shares = vec![0.0; clipped.len()];
        let (mut ended, mut wave) = (None, 0);
        let (mut busy, mut holes) = (0, Vec::new());
        for (time, edge, index) in edges {
            let passed = time - now;
            now = time;
            match (running, ended) {
                (0, Some(before)) if passed > 0 => holes.push(Hole {
                    length: passed,
                    before,
                    after: index,
                    barrier: dispatches[index].wave > wave,
                }),
                (0, _) => {}
                _ => {
                    busy += passed;
                    clock += passed as f64 / f64::from(running);
                }
            }
            match edge {
                Edge::Start => {
                    running += 1;
                    shares[index] = -clock;
                    wave = wave.max(dispatches[index].wave);
                }
                Edge::End => {
                    running -= 1;
                    shares[index] += clock;
                    ended = Some(index);
                }
            }
        }
        Attribution {
            dispatches: whole_numbers(&shares, busy),
            busy,
            head: first - period.start,
            tail: period.end - last,
            holes,
        }
    }
}

/// `shares` as whole numbers, each less than 1 away, whose sum is `total`, which that of `shares` is but for rounding.
fn whole_numbers(shares: &[f64], total: u64) -> Vec<u64> {
    let last = shares.iter().rposition(|share| *share > 0.0);
    let (mut sum, mut given) = (0.0, 0);
    let numbers = shares.iter().enumerate().map(|(index, share)| {
        sum += share.max(0.0);
        let until = match Some(index) == last {
            true => total,
            false => (sum.round() as u64).clamp(given, total),
        };
        let number = until - given;
        given = until;
        number
    });
    numbers.collect()
}
