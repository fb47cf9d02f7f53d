//! The regression check: ratios between figures of one run, against bounds that are committed.
//!
//! Ratios alone, because machines differ; bounds far from what was measured, because machines are busy.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::args::Check;
use crate::micro::{self, Effort};
use crate::report::Report;
use crate::work::{self, Result};

/// The ratios that are watched.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub ratios: Vec<Ratio>,
}

/// One figure over another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    pub name: String,
    pub of: Place,
    pub to: Place,
    /// As it was when the baseline was written, for whoever reads it.
    pub measured: f64,
    /// More is a regression.
    pub most: f64,
}

/// Where in a report a figure is: chart, line, x.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place(String, String, f64);

impl Ratio {
    /// Whose line it needs, of those that are left out.
    fn needs<'a>(&self, without: &'a [String]) -> Option<&'a str> {
        let needed = |name: &&String| [&self.of, &self.to].iter().any(|place| place.1 == **name);
        without.iter().find(needed).map(String::as_str)
    }
}

/// What became of one ratio.
#[derive(Debug, PartialEq)]
enum Verdict {
    Kept(f64),
    Worse(f64),
    /// Nobody has looked, because a contestant does not take part.
    LeftOut(String),
}

const EFFORT: Effort = Effort {
    rounds: 15,
    most: 100_000,
};

/// Measures or reads, prints all ratios, and fails if one is out of bounds twice: a busy machine does not do the same
/// harm to the same ratio again.
pub fn run(options: &Check) -> Result<()> {
    let baseline: Baseline = read(&options.baseline)?;
    let without = &options.without;
    known(&baseline, without)?;
    if let Some(path) = &options.report {
        return finish(judge(&baseline, &read(path)?, without)?, &baseline);
    }
    let device = work::open(&options.device)?;
    let measured = || judge(&baseline, &micro::measure(&device, &EFFORT)?, without);
    let first = measured()?;
    if !first
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Worse(_)))
    {
        return finish(first, &baseline);
    }
    println!("out of bounds once; measuring again");
    let second = measured()?;
    let both = first.into_iter().zip(second);
    finish(
        both.map(|(first, second)| better(first, second)).collect(),
        &baseline,
    )
}

fn better(first: Verdict, second: Verdict) -> Verdict {
    match first {
        Verdict::Worse(_) => second,
        kept => kept,
    }
}

/// A name that no ratio has is a mistake.
fn known(baseline: &Baseline, without: &[String]) -> Result<()> {
    for name in without {
        let of_it = |ratio: &Ratio| ratio.needs(std::slice::from_ref(name)).is_some();
        if !baseline.ratios.iter().any(of_it) {
            return Err(
                format!("--without {name}: no ratio of the baseline needs `{name}`").into(),
            );
        }
    }
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
    Ok(serde_json::from_str(&text).map_err(|error| in_file(&error))?)
}

fn judge(baseline: &Baseline, report: &Report, without: &[String]) -> Result<Vec<Verdict>> {
    let figure = |Place(chart, line, x): &Place| {
        let missing = || {
            format!(
                "the report has no {chart} of {line} at {x}; `--without '{line}'` leaves out the ratios that need it"
            )
        };
        report.median(chart, line, *x).ok_or_else(missing)
    };
    let judge = |ratio: &Ratio| {
        if let Some(name) = ratio.needs(without) {
            return Ok(Verdict::LeftOut(name.to_owned()));
        }
        let found = figure(&ratio.of)? / figure(&ratio.to)?;
        // A ratio that is no number is not kept.
        Ok(match found <= ratio.most {
            true => Verdict::Kept(found),
            false => Verdict::Worse(found),
        })
    };
    baseline.ratios.iter().map(judge).collect()
}

fn finish(verdicts: Vec<Verdict>, baseline: &Baseline) -> Result<()> {
    let mut worse = Vec::new();
    for (verdict, ratio) in verdicts.iter().zip(&baseline.ratios) {
        let name = &ratio.name;
        let (word, found) = match verdict {
            Verdict::Kept(found) => ("kept ", found),
            Verdict::Worse(found) => ("WORSE", found),
            Verdict::LeftOut(who) => {
                println!("LEFT OUT {name}: {who} does not take part");
                continue;
            }
        };
        let (measured, most) = (ratio.measured, ratio.most);
        println!(
            "{word} {name}: {found:.4}, at most {most} ({measured} when the baseline was written)"
        );
        if let Verdict::Worse(_) = verdict {
            worse.push(name.as_str());
        }
    }
    match worse.is_empty() {
        true => Ok(()),
        false => Err(format!("worse than the baseline allows: {}", worse.join("; ")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Chart;

    fn report(of: f64, to: f64) -> Report {
        let mut chart = Chart::new("c", "C", "n", "ns");
        chart.add("of", 1.0, vec![of]);
        chart.add("to", 1.0, vec![to]);
        let device = work::open("cpu").expect("the processor");
        let mut report = Report::new(device.info());
        report.charts.push(chart);
        report
    }

    fn baseline() -> Baseline {
        let text = r#"{"ratios": [{"name": "r", "of": ["c", "of", 1], "to": ["c", "to", 1],
            "measured": 1.5, "most": 2}]}"#;
        serde_json::from_str(text).expect("a baseline")
    }

    #[test]
    fn a_ratio_may_reach_its_bound_but_not_pass_it() {
        let judged = |of, to| judge(&baseline(), &report(of, to), &[]).expect("figures");
        assert_eq!(judged(4.0, 2.0), [Verdict::Kept(2.0)]);
        assert_eq!(judged(5.0, 2.0), [Verdict::Worse(2.5)]);
        assert!(matches!(judged(0.0, 0.0)[..], [Verdict::Worse(_)]));
        assert!(finish(judged(4.0, 2.0), &baseline()).is_ok());
        let error = finish(judged(5.0, 2.0), &baseline()).expect_err("worse");
        assert!(error.to_string().ends_with(": r"), "{error}");
    }

    #[test]
    fn only_what_is_worse_twice_counts() {
        let (kept, worse) = (|| Verdict::Kept(1.0), || Verdict::Worse(9.0));
        assert_eq!(better(kept(), worse()), kept());
        assert_eq!(better(worse(), kept()), kept());
        assert_eq!(better(worse(), worse()), worse());
    }

    #[test]
    fn who_is_left_out_needs_no_figure_and_must_be_known() {
        let without = ["to".to_owned()];
        known(&baseline(), &without).expect("a contestant");
        let mut half = report(1.0, 1.0);
        half.charts[0].lines.pop();
        let judged = judge(&baseline(), &half, &without).expect("nothing missing");
        assert_eq!(judged, [Verdict::LeftOut("to".to_owned())]);
        finish(judged, &baseline()).expect("not worse");
        let error = known(&baseline(), &["two".to_owned()]).expect_err("a typo");
        assert!(error.to_string().contains("`two`"), "{error}");
    }

    #[test]
    fn a_figure_that_is_missing_is_an_error() {
        let mut empty = report(1.0, 1.0);
        empty.charts.clear();
        let error = judge(&baseline(), &empty, &[]).expect_err("nothing there");
        assert!(error.to_string().contains("no c of of at 1"), "{error}");
    }

    #[test]
    fn the_committed_baseline_can_be_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
        let baseline: Baseline = read(&path).expect("a baseline");
        assert!(!baseline.ratios.is_empty());
        for ratio in &baseline.ratios {
            assert!(ratio.measured < ratio.most, "{}", ratio.name);
        }
    }
}
