//! Tables of dispatches that have something in common.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde::Serialize;

use crate::analysis::bound::Bound;
use crate::analysis::rate::{Rate, WorkSum};
use crate::analysis::spread::Spread;
use crate::peaks::Peaks;
use crate::profile::{Dispatch, Profile};

/// Dispatches that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What they have in common; empty where there is none, such as dispatches outside of all scopes.
    pub name: String,
    /// From begin to end of each. Dispatches of a wave overlap, so that the total may be more than the time that passed.
    pub duration_ns: Spread,
    /// The time that passed: each moment divided equally among the dispatches that ran then.
    pub attributed_ns: u64,
    /// `attributed_ns` as a share of the time that the device was at the submissions.
    pub share: f64,
    /// What was achieved in `attributed_ns`.
    pub rate: Rate,
    /// What kept them from being faster, if peaks are known.
    pub bound: Option<Bound>,
    /// What the fused ones among them stand for, the most frequent first.
    pub stands_for: Vec<StandsFor>,
}

/// Operations that were fused into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StandsFor {
    /// The rule that fired last.
    pub rule: String,
    /// The kinds of operation that it replaced, in program order.
    pub ops: Vec<String>,
    /// How many dispatches do so.
    pub count: u64,
}

/// Collects rows.
pub(super) struct Rows<'p, K> {
    profile: &'p Profile,
    places: HashMap<K, usize>,
    rows: Vec<Builder>,
}

struct Builder {
    name: String,
    durations: Vec<u64>,
    attributed: u64,
    work: WorkSum,
    fused: BTreeMap<u32, u64>,
}

impl<'p, K: core::hash::Hash + Eq> Rows<'p, K> {
    pub(super) fn new(profile: &'p Profile) -> Rows<'p, K> {
        Rows {
            profile,
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        key: K,
        name: impl FnOnce() -> String,
        dispatch: &Dispatch,
        attributed: u64,
    ) {
        let place = *self.places.entry(key).or_insert_with(|| {
            self.rows.push(Builder {
                name: name(),
                durations: Vec::new(),
                attributed: 0,
                work: WorkSum::default(),
                fused: BTreeMap::new(),
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[place];
        row.durations
            .push(dispatch.end_ns.saturating_sub(dispatch.start_ns));
        row.attributed += attributed;
        row.work.add(dispatch, self.profile.peaks.as_ref());
        if let Some(fused) = dispatch.fused {
            *row.fused.entry(fused).or_default() += 1;
        }
    }

    /// The rows in the order in which they first ran.
    pub(super) fn in_order(self, device_ns: u64) -> Vec<Row> {
        let profile = self.profile;
        let rows = self.rows.into_iter();
        rows.map(|row| row.finish(profile, device_ns)).collect()
    }

    /// The rows that took most first; those that took the same by name.
    pub(super) fn by_time(self, device_ns: u64) -> Vec<Row> {
        let mut rows = self.in_order(device_ns);
        rows.sort_by(|a, b| {
            let time = b.attributed_ns.cmp(&a.attributed_ns);
            time.then_with(|| a.name.cmp(&b.name))
        });
        rows
    }
}

impl Builder {
    fn finish(self, profile: &Profile, device_ns: u64) -> Row {
        let peaks = profile.peaks.as_ref();
        let duration_ns = Spread::of(self.durations);
        let rate = self.work.rate(self.attributed, peaks);
        let bound = peaks.and_then(|peaks: &Peaks| {
            let Rate {
                bandwidth_share,
                compute_share,
                ..
            } = rate;
            Bound::of_dispatches(bandwidth_share, compute_share, duration_ns.median, peaks)
        });
        let stands_for = self.fused.into_iter().filter_map(|(index, count)| {
            let fused = profile.fused.get(index as usize)?;
            Some(StandsFor {
                rule: fused.rule.clone(),
                ops: fused.ops.clone(),
                count,
            })
        });
        let mut stands_for: Vec<StandsFor> = stands_for.collect();
        stands_for.sort_by_key(|it| core::cmp::Reverse(it.count));
        Row {
            name: self.name,
            duration_ns,
            attributed_ns: self.attributed,
            share: share(self.attributed, device_ns),
            rate,
            bound,
            stands_for,
        }
    }
}

/// A part of a whole; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 / whole as f64,
    }
}
