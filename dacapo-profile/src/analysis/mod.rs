//! What a profile means.
//!
//! The time of a profile is cut up without overlap and without anything left over. The device is at one submission at a
//! time, or at none: a gap. Within a submission there is a head before its first dispatch, a tail after its last, waits
//! at barriers between waves, and time in which dispatches run; each moment of that is divided equally among those that
//! run then. So what tables attribute, and waits, heads, tails and gaps, add up to the whole, to the nanosecond.

mod attribution;
mod barriers;
mod bound;
mod gaps;
mod path;
mod periods;
mod rate;
mod row;
mod section;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Serialize;

use crate::profile::Profile;
pub(crate) use attribution::Attribution;
pub(crate) use periods::Periods;
use section::Source;

pub use barriers::BarrierRow;
pub use bound::{Bound, Bounds};
pub use gaps::{Doing, Gap, GapRow};
pub use path::{Path, PathRow, PathStep};
pub use rate::Rate;
pub use row::{Row, StandsFor};
pub use section::{Section, Sums};
pub use spread::Spread;

/// What a profile means. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    /// The recording as a whole.
    pub whole: Whole,
    /// All submissions.
    pub all: Section,
    /// Submissions of each label, in the order in which labels first ran.
    pub labels: Vec<Section>,
    /// When the device was idle, in order.
    pub gaps: Vec<Gap>,
    /// Gaps between submissions by their labels; those that took most first.
    pub gap_rows: Vec<GapRow>,
}

/// The recording as a whole: `device_ns + gaps_ns + before_ns + after_ns` lie between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Whole {
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// The device was at a submission.
    pub device_ns: u64,
    /// The device was idle between submissions.
    pub gaps_ns: u64,
    /// Until the first submission.
    pub before_ns: u64,
    /// After the last.
    pub after_ns: u64,
    /// What most of the time of submissions and gaps between them went to.
    pub bound: Option<Bound>,
}

impl Analysis {
    /// What `profile` means. Indices that point nowhere count as no name.
    pub fn of(profile: &Profile) -> Analysis {
        let periods = Periods::of(profile);
        let submissions = profile.submissions.iter().zip(&periods.submissions);
        let attributions = submissions.map(|(it, period)| Attribution::of(&it.dispatches, *period));
        let attributions: Vec<Attribution> = attributions.collect();
        let gaps = gaps::gaps(profile, &periods);
        let source = Source {
            profile,
            periods: &periods,
            attributions: &attributions,
            gaps: &gaps,
            idle_before: idle_before(&gaps, profile.submissions.len()),
        };
        let everything: Vec<usize> = (0..profile.submissions.len()).collect();
        let all = Section::of(&source, None, &everything);
        let labels = by_label(profile);
        let labels = labels.iter();
        Analysis {
            whole: Whole::of(&source, &all),
            labels: labels
                .map(|(label, chosen)| Section::of(&source, Some(label), chosen))
                .collect(),
            all,
            gap_rows: gaps::rows(profile, &gaps),
            gaps,
        }
    }

    /// How long the device was at each submission, by their labels in the order in which those first ran.
    pub(crate) fn device_times(profile: &Profile) -> Vec<(&str, Vec<u64>)> {
        let periods = Periods::of(profile).submissions;
        let labels = by_label(profile).into_iter().map(|(label, chosen)| {
            let times = chosen.into_iter().map(|index| periods[index].length());
            (label, times.collect())
        });
        labels.collect()
    }

    /// The submissions of a label.
    pub fn label(&self, label: &str) -> Option<&Section> {
        let mut labels = self.labels.iter();
        labels.find(|section| section.label.as_deref() == Some(label))
    }
}

/// How long the device was idle before each submission, other than the first.
fn idle_before(gaps: &[Gap], submissions: usize) -> Vec<u64> {
    let mut idle = vec![0; submissions];
    for gap in gaps {
        if let (Some(_), Some(before)) = (gap.after, gap.before) {
            idle[before] = gap.end_ns - gap.start_ns;
        }
    }
    idle
}

/// Indices of submissions with the same label, in the order in which labels first ran.
fn by_label(profile: &Profile) -> Vec<(&str, Vec<usize>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut labels: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, submission) in profile.submissions.iter().enumerate() {
        let place = *places.entry(&submission.label).or_insert_with(|| {
            labels.push((&submission.label, Vec::new()));
            labels.len() - 1
        });
        labels[place].1.push(index);
    }
    labels
}
