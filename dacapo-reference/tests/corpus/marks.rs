//! What a file says about its lines: `//~` and, at the end of a line that has a part in a fault, a [`Mark`].

use std::collections::BTreeSet;

use dacapo_reference::report::{Kind, Report};

/// What is expected of a line.
#[derive(Debug)]
enum Mark {
    /// A fault of this kind is reported for this line.
    Kind(Kind),
    /// The other party of a race: at the end of the line `//~ other`.
    Other,
    /// It may be reported, for it suffers from the fault: `//~ maybe`.
    Maybe,
}

/// The marks of a file.
#[derive(Debug)]
pub(crate) struct Marks(Vec<(u32, Mark)>);

impl Marks {
    pub(crate) fn of(text: &str) -> Result<Marks, String> {
        let mut marks = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let words = text.split_once("//~").map_or("", |(_, words)| words);
            for word in words.split_whitespace() {
                let kind = || Kind::ALL.into_iter().find(|kind| kind.name() == word);
                let mark = match word {
                    "other" => Mark::Other,
                    "maybe" => Mark::Maybe,
                    _ => Mark::Kind(kind().ok_or_else(|| format!("unknown mark {word:?}"))?),
                };
                marks.push((line, mark));
            }
        }
        Ok(Marks(marks))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().filter_map(|(_, mark)| match mark {
            Mark::Kind(kind) => Some(*kind),
            _ => None,
        })
    }

    /// What these reports lack, or have too much.
    pub(crate) fn compare(&self, reports: &[Report]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        for report in reports {
            let lines = lines(report);
            if !self.allow(report.kind, &lines) {
                wrong.push(format!("not expected:\n{report}"));
            }
            seen.extend(lines.into_iter().flatten().map(|line| (line, report.kind)));
        }
        let any = |line: u32| {
            seen.range((line, Kind::OutOfBounds)..=(line, Kind::Runaway))
                .next()
        };
        for (line, mark) in &self.0 {
            let found = match mark {
                // Whichever statement takes the last step.
                Mark::Kind(Kind::Runaway) => seen.iter().any(|(_, kind)| *kind == Kind::Runaway),
                Mark::Kind(kind) => seen.contains(&(*line, *kind)),
                Mark::Other => any(*line).is_some(),
                Mark::Maybe => true,
            };
            if !found {
                wrong.push(format!("line {line} is not reported: {mark:?}"));
            }
        }
        wrong
    }

    /// Whether a fault of this kind is expected of these lines. Which party of a race comes last, and is reported, follows
    /// from the order of workgroups; within a workgroup it is known.
    fn allow(&self, kind: Kind, lines: &[Option<u32>]) -> bool {
        let is_main = |line: u32| {
            self.0.iter().any(|(at, mark)| {
                *at == line
                    && (matches!(mark, Mark::Maybe)
                        || matches!(mark, Mark::Kind(marked) if *marked == kind))
            })
        };
        let is_marked = |line: u32| self.0.iter().any(|(at, _)| *at == line);
        let mains = lines.iter().map(|line| line.is_some_and(is_main));
        let any = match kind {
            Kind::RaceBetweenWorkgroups | Kind::RaceBetweenDispatches => {
                mains.into_iter().any(|main| main)
            }
            _ => mains.into_iter().next() == Some(true),
        };
        any && lines.iter().flatten().all(|line| is_marked(*line))
    }
}

/// Of the party that is reported, and of the one that it met.
fn lines(report: &Report) -> Vec<Option<u32>> {
    let parties = core::iter::once(&report.party).chain(&report.other);
    parties
        .map(|party| party.site.as_ref().map(|site| site.line))
        .collect()
}
