//! What came out, as values, as Markdown and as JSON.

mod markdown;
mod scrub;

use serde::{Deserialize, Serialize};

use crate::bench::Findings;
use crate::check::{Flaw, Group, Verdict};
use crate::machine::Machine;

pub(crate) use scrub::Scrub;

/// The form of the JSON.
const FORMAT: u32 = 1;

/// Everything that came out of a self-test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The number of this form of the report: 1.
    pub format: u32,
    /// Where it ran.
    pub machine: Machine,
    /// How many checks there are.
    pub total: usize,
    /// The check that is running; in a report that was finished, none.
    pub running: Option<String>,
    /// How long all took, in seconds.
    pub seconds: f64,
    /// The checks that have ended, in the order in which they ran.
    pub records: Vec<Record>,
    /// What was measured.
    pub findings: Findings,
}

/// A check that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its group.
    pub group: String,
    /// What must hold.
    pub name: String,
    /// What came out.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", content = "reason", rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// It could not be checked here, and why.
    Skipped(String),
}

impl Outcome {
    pub(crate) fn of(verdict: Verdict, scrub: &Scrub) -> Outcome {
        match verdict {
            Ok(()) => Outcome::Passed,
            Err(Flaw::Failed(reason)) => Outcome::Failed(scrub.clean(&reason)),
            Err(Flaw::Skipped(reason)) => Outcome::Skipped(scrub.clean(&reason)),
        }
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// Why, if it did not pass.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Passed => None,
            Outcome::Failed(reason) | Outcome::Skipped(reason) => Some(reason),
        }
    }
}

/// A group's checks, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Those that hold.
    pub passed: usize,
    /// Those that do not.
    pub failed: usize,
    /// Those that could not be made.
    pub skipped: usize,
    /// How long they took, in milliseconds.
    pub ms: f64,
}

impl Report {
    pub(crate) fn new(machine: Machine, total: usize) -> Report {
        Report {
            format: FORMAT,
            machine,
            total,
            running: None,
            seconds: 0.0,
            records: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Record> {
        let records = self.records.iter();
        records.filter(|record| matches!(record.outcome, Outcome::Failed(_)))
    }

    /// The checks that could not be made.
    pub fn skipped(&self) -> impl Iterator<Item = &Record> {
        let records = self.records.iter();
        records.filter(|record| matches!(record.outcome, Outcome::Skipped(_)))
    }

    /// The groups of which checks ran, counted.
    pub fn tallies(&self) -> Vec<(Group, Tally)> {
        let tally = |group: &Group| {
            let own = self.records.iter().filter(|it| it.group == group.name());
            let mut tally = Tally::default();
            for record in own {
                match record.outcome {
                    Outcome::Passed => tally.passed += 1,
                    Outcome::Failed(_) => tally.failed += 1,
                    Outcome::Skipped(_) => tally.skipped += 1,
                }
                tally.ms += record.ms;
            }
            (*group, tally)
        };
        let all = Group::ALL.iter().map(tally);
        all.filter(|(_, it)| it.passed + it.failed + it.skipped > 0)
            .collect()
    }

    /// As JSON.
    ///
    /// # Errors
    /// If a value cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// From what [`Report::to_json`] gave.
    ///
    /// # Errors
    /// If it is no report.
    pub fn from_json(text: &str) -> Result<Report, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// As text for people, with the JSON at its end.
    ///
    /// # Errors
    /// As [`Report::to_json`].
    pub fn to_markdown(&self) -> Result<String, serde_json::Error> {
        markdown::of(self)
    }

    /// From what [`Report::to_markdown`] gave.
    ///
    /// # Errors
    /// If it has no report as JSON at its end.
    pub fn from_markdown(text: &str) -> Result<Report, serde_json::Error> {
        Report::from_json(markdown::json_in(text).unwrap_or_default())
    }
}
