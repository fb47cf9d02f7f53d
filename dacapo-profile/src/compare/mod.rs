//! Two profiles side by side, so that a change can be judged.

mod shift;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::analysis::{Attribution, Periods, Spread};
use crate::profile::{Level, Profile};

pub use shift::Ratio;

/// Two profiles side by side.
///
/// What is compared are times of submissions with the same label: on the device, from one end to the next, and of each
/// kind of operation and kernel all that was attributed to it within a submission. Times of one profile count as
/// independent of each other. In twenty comparisons of what does not differ, one is expected to say that it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What the profiles do not have in common and should have, in words.
    pub remarks: Vec<String>,
    /// Labels of both, in the order in which they first ran in the first.
    pub labels: Vec<LabelChange>,
    /// Labels of the first only.
    pub only_a: Vec<String>,
    /// Labels of the second only.
    pub only_b: Vec<String>,
}

/// Submissions of one label in both profiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelChange {
    /// The label.
    pub label: String,
    /// How long the device was at them.
    pub device: Change,
    /// From the end of one to the end of the next.
    pub interval: Change,
    /// Time attributed to each kind of operation in a submission; that which takes most in either first.
    pub ops: Vec<Change>,
    /// Time attributed to each kernel in a submission; that which takes most in either first.
    pub kernels: Vec<Change>,
}

/// Times in both profiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What took the time.
    pub name: String,
    /// The times in the first, in nanoseconds; `None` where there are none.
    pub a: Option<Spread>,
    /// The times in the second, in nanoseconds; `None` where there are none.
    pub b: Option<Spread>,
    /// The second to the first; `None` where there are too few for an interval.
    pub ratio: Option<Ratio>,
    /// What that says.
    pub verdict: Verdict,
}

/// What an interval of 95 % says of the second profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It takes less time: the interval is below 1.
    Faster,
    /// It takes more time: the interval is above 1.
    Slower,
    /// The interval holds 1.
    NoDifferenceShown,
    /// There are too few times in one of the two: at least four of each are needed, or so.
    TooFew,
}

impl Verdict {
    /// As shown.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::NoDifferenceShown => "no difference shown",
            Verdict::TooFew => "too few",
        }
    }

    fn of(ratio: Option<&Ratio>) -> Verdict {
        match ratio {
            None => Verdict::TooFew,
            Some(ratio) if ratio.high < 1.0 => Verdict::Faster,
            Some(ratio) if ratio.low > 1.0 => Verdict::Slower,
            Some(_) => Verdict::NoDifferenceShown,
        }
    }
}

impl Comparison {
    /// `b` beside `a`.
    pub fn of(a: &Profile, b: &Profile) -> Comparison {
        let (samples_a, samples_b) = (Samples::of(a), Samples::of(b));
        let missing = |from: &Samples<'_>, to: &Samples<'_>| -> Vec<String> {
            let labels = from
                .labels
                .iter()
                .filter(|label| to.of_label(label).is_none());
            labels.map(|label| (*label).to_owned()).collect()
        };
        let both = samples_a.labels.iter().filter_map(|label| {
            let (a, b) = (samples_a.of_label(label)?, samples_b.of_label(label)?);
            Some(LabelChange {
                label: (*label).to_owned(),
                device: change("on the device", &a.device, &b.device),
                interval: change("from end to end", &a.intervals, &b.intervals),
                ops: changes(&a.ops, &b.ops),
                kernels: changes(&a.kernels, &b.kernels),
            })
        });
        Comparison {
            remarks: remarks(a, b),
            labels: both.collect(),
            only_a: missing(&samples_a, &samples_b),
            only_b: missing(&samples_b, &samples_a),
        }
    }
}

/// Times of one profile.
struct Samples<'p> {
    labels: Vec<&'p str>,
    of: HashMap<&'p str, OfLabel<'p>>,
}

/// Times of submissions of one label.
#[derive(Default)]
struct OfLabel<'p> {
    device: Vec<u64>,
    intervals: Vec<u64>,
    ops: BTreeMap<&'p str, Vec<u64>>,
    kernels: BTreeMap<&'p str, Vec<u64>>,
}

impl<'p> Samples<'p> {
    fn of(profile: &'p Profile) -> Samples<'p> {
        let periods = Periods::of(profile);
        let mut samples = Samples {
            labels: Vec::new(),
            of: HashMap::new(),
        };
        let mut before: Option<(&str, u64)> = None;
        for (submission, &period) in profile.submissions.iter().zip(&periods.submissions) {
            let label = submission.label.as_str();
            let of = samples.of.entry(label).or_insert_with(|| {
                samples.labels.push(label);
                OfLabel::default()
            });
            of.device.push(period.length());
            if let Some((_, end)) = before.filter(|(before, _)| *before == label) {
                of.intervals.push(period.end - end);
            }
            before = Some((label, period.end));
            let attributed = Attribution::of(&submission.dispatches, period).dispatches;
            let (mut ops, mut kernels) = (BTreeMap::new(), BTreeMap::new());
            for (dispatch, time) in submission.dispatches.iter().zip(attributed) {
                if let Some(kernel) = profile.kernels.get(dispatch.kernel as usize) {
                    *ops.entry(kernel.op.as_str()).or_default() += time;
                    *kernels.entry(kernel.name.as_str()).or_default() += time;
                }
            }
            append(&mut of.ops, ops);
            append(&mut of.kernels, kernels);
        }
        samples
    }

    fn of_label(&self, label: &str) -> Option<&OfLabel<'p>> {
        self.of.get(label)
    }
}

fn append<'p>(all: &mut BTreeMap<&'p str, Vec<u64>>, times: BTreeMap<&'p str, u64>) {
    for (name, time) in times {
        all.entry(name).or_default().push(time);
    }
}

fn change(name: &str, a: &[u64], b: &[u64]) -> Change {
    let spread = |times: &[u64]| (!times.is_empty()).then(|| Spread::of(times.iter().copied()));
    let ratio = Ratio::of(a, b);
    Change {
        name: name.to_owned(),
        a: spread(a),
        b: spread(b),
        verdict: Verdict::of(ratio.as_ref()),
        ratio,
    }
}

fn changes(a: &BTreeMap<&str, Vec<u64>>, b: &BTreeMap<&str, Vec<u64>>) -> Vec<Change> {
    let in_b_only = b.keys().filter(|name| !a.contains_key(*name));
    let names = a.keys().chain(in_b_only);
    let times = |of: &BTreeMap<&str, Vec<u64>>, name| of.get(name).cloned().unwrap_or_default();
    let changes = names.map(|&name| change(name, &times(a, name), &times(b, name)));
    let mut changes: Vec<Change> = changes.collect();
    let most = |change: &Change| {
        let medians = [change.a, change.b].map(|it| it.map_or(0, |it| it.median));
        core::cmp::Reverse(medians[0].max(medians[1]))
    };
    changes.sort_by(|x, y| most(x).cmp(&most(y)).then_with(|| x.name.cmp(&y.name)));
    changes
}

fn remarks(a: &Profile, b: &Profile) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut differ = |what: &str, a: &str, b: &str| {
        if a != b {
            remarks.push(format!("different {what}: {a:?} and {b:?}"));
        }
    };
    differ("titles", &a.title, &b.title);
    differ("devices", &a.device.name, &b.device.name);
    differ("backends", &a.device.backend, &b.device.backend);
    let units = |profile: &Profile| profile.device.compute_units.to_string();
    differ("numbers of units", &units(a), &units(b));
    let level = |profile: &Profile| match profile.level {
        Level::Submissions => "submissions",
        Level::Dispatches => "dispatches",
    };
    differ("levels", level(a), level(b));
    for (name, profile) in [("first", a), ("second", b)] {
        let failed = profile.submissions.iter().filter(|it| it.failed).count();
        if failed > 0 {
            remarks.push(format!("failed submissions in the {name}: {failed}"));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{ADD_NORM, MATVEC, ROPE, dispatch, empty, submission, two_steps};

    /// Ten steps in a row of a product and something else, whose kernel is `other`.
    fn steps(product: u64, other: (u32, u64)) -> Profile {
        let mut profile = empty(1_000_000);
        let mut now = 0;
        for step in 0..10 {
            // Apart enough that no two are the same.
            let (product, end) = (now + product + step, now + product + other.1 + 2 * step);
            let dispatches = vec![
                dispatch(MATVEC, 0, now, product),
                dispatch(other.0, 1, product, end),
            ];
            let times = [now, now, now, end, end];
            profile
                .submissions
                .push(submission("decode", times, dispatches));
            now = end + 5;
        }
        profile
    }

    fn find<'c>(changes: &'c [Change], name: &str) -> &'c Change {
        let found = changes.iter().find(|change| change.name == name);
        found.unwrap_or_else(|| panic!("{name} in {changes:?}"))
    }

    #[test]
    fn what_changed_is_told_from_what_did_not() {
        let (a, b) = (steps(1000, (ROPE, 500)), steps(2000, (ROPE, 500)));
        let comparison = Comparison::of(&a, &b);
        assert!(comparison.remarks.is_empty(), "{:?}", comparison.remarks);
        let decode = &comparison.labels[0];
        let matvec = find(&decode.kernels, "matvec");
        assert_eq!(matvec.verdict, Verdict::Slower);
        assert_eq!(matvec.a.expect("times").median, 1004);
        assert_eq!(matvec.b.expect("times").median, 2004);
        let ratio = matvec.ratio.expect("a ratio");
        assert!(
            (1.98..2.0).contains(&ratio.ratio) && ratio.low < ratio.ratio,
            "{ratio:?}"
        );
        assert_eq!(
            find(&decode.kernels, "rope").verdict,
            Verdict::NoDifferenceShown
        );
        assert_eq!(decode.kernels[0].name, "matvec");
        assert_eq!(
            find(&decode.ops, "matrix vector product").verdict,
            Verdict::Slower
        );
        assert_eq!(decode.device.verdict, Verdict::Slower);
        // Nine intervals of ten steps, each with a gap of 5.
        let interval = decode.interval.a.expect("times");
        assert_eq!((interval.count, interval.min), (9, 1507));
        assert_eq!(
            Comparison::of(&b, &a).labels[0].device.verdict,
            Verdict::Faster
        );
    }

    #[test]
    fn what_only_one_of_them_has_is_listed() {
        let (mut a, mut b) = (steps(1000, (ROPE, 500)), steps(1000, (ADD_NORM, 500)));
        a.submissions[0].label = "prefill".to_owned();
        b.submissions[3].failed = true;
        b.title = "another".to_owned();
        b.device.name = "faster device".to_owned();
        let comparison = Comparison::of(&a, &b);
        assert_eq!(comparison.only_a, ["prefill"]);
        assert!(comparison.only_b.is_empty());
        let remarks = comparison.remarks.join("\n");
        for word in [
            "titles",
            "another",
            "devices",
            "faster device",
            "failed submissions in the second: 1",
        ] {
            assert!(remarks.contains(word), "{remarks}");
        }
        let kernels = &comparison.labels[0].kernels;
        let rope = find(kernels, "rope");
        assert!(rope.a.is_some() && rope.b.is_none());
        assert_eq!(rope.verdict, Verdict::TooFew);
        assert!(find(kernels, "add_norm").a.is_none());
    }

    #[test]
    fn two_steps_are_too_few() {
        let comparison = Comparison::of(&two_steps(), &two_steps());
        assert_eq!(comparison.labels.len(), 2);
        assert_eq!(comparison.labels[0].device.verdict, Verdict::TooFew);
        assert_eq!(comparison.labels[0].device.a, Some(Spread::of([200, 200])));
    }
}
