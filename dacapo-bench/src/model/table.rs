//! Tables of what was measured of models.

use std::fmt::{self, Display};

use super::outcome::{Contested, Measurement, Outcome, Point};
use crate::report::digits;
use crate::stats::Figure;

const HEADS: [&str; 9] = [
    "",
    "context",
    "prompt tok/s",
    "behind it tok/s",
    "decode tok/s",
    "ms a token",
    "ratio: prompt",
    "behind it",
    "decode",
];

/// Threads that may want to run on a machine that measures.
const QUIET: f64 = 0.5;

impl Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            cores,
            rounds,
            prompt,
            generate,
            ..
        } = self;
        writeln!(
            out,
            "{cores} cores; {rounds} rounds in which contestants take turns, after one that does not count"
        )?;
        if let Some(busy) = self.busy.filter(|busy| *busy > QUIET) {
            writeln!(
                out,
                "the machine was busy before ({busy} threads wanted to run): trust nothing but a quiet run"
            )?;
        }
        writeln!(
            out,
            "prompt: the context's tokens from an empty cache; behind it: {prompt} tokens at once behind the context; \
             decode: {generate} tokens one by one"
        )?;
        writeln!(
            out,
            "ratio: dacapo's speed over theirs within a round, above 1 dacapo is faster"
        )?;
        writeln!(out, "{}", self.interval)?;
        for model in &self.models {
            write!(out, "\n{model}")?;
        }
        Ok(())
    }
}

impl Display for Measurement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{}, {} of weights",
            self.model,
            mebibytes(self.weight_bytes)
        )?;
        for note in &self.notes {
            writeln!(out, "  {note}")?;
        }
        for contestant in &self.contestants {
            writeln!(out, "  {contestant}")?;
        }
        let rows = |contestant: &Contested| {
            let row = |point| row(&contestant.name, point);
            contestant.points.iter().map(row).collect::<Vec<_>>()
        };
        let heads = HEADS.map(str::to_owned);
        let all = [heads]
            .into_iter()
            .chain(self.contestants.iter().flat_map(rows));
        let all: Vec<_> = all.collect();
        let widths: [usize; HEADS.len()] =
            std::array::from_fn(|at| all.iter().map(|row| row[at].len()).max().unwrap_or(0));
        for row in all {
            let [name, rest @ ..] = &row;
            write!(out, "  {name:<0$}", widths[0])?;
            for (cell, width) in rest.iter().zip(&widths[1..]) {
                write!(out, "  {cell:>width$}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl Display for Contested {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = &self.loaded;
        write!(
            out,
            "{}: {}, {}; ",
            self.name, loaded.engine, loaded.settings
        )?;
        write!(out, "ready in {} s", digits(loaded.seconds))?;
        if let Some(bytes) = self.peak_bytes {
            write!(out, ", at most {} resident", mebibytes(bytes))?;
        }
        if let Some(bytes) = self.device_bytes {
            write!(out, ", {} on the GPU", mebibytes(bytes))?;
        }
        Ok(())
    }
}

fn row(name: &str, point: &Point) -> [String; HEADS.len()] {
    let ratio = point.ratio.as_ref();
    let optional = |figure: Option<&Figure>| figure.map_or_else(nothing, cell);
    [
        name.to_owned(),
        point.context.to_string(),
        optional(point.fill_tok_s.as_ref()),
        optional(point.prefill_tok_s.as_ref()),
        digits(point.decode_tok_s.median),
        cell(&point.decode_ms),
        optional(ratio.and_then(|ratio| ratio.fill.as_ref())),
        optional(ratio.and_then(|ratio| ratio.prefill.as_ref())),
        optional(ratio.map(|ratio| &ratio.decode)),
    ]
}

fn nothing() -> String {
    "-".to_owned()
}

fn cell(figure: &Figure) -> String {
    let [low, high] = figure.interval.map(digits);
    format!("{} ({low} to {high})", digits(figure.median))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::{SCHEMA, point};
    use crate::model::protocol::{Loaded, Measure, Measured};

    #[test]
    fn a_table_says_who_was_how_fast() {
        let measure = Measure {
            context: 100,
            prompt: 50,
            generate: 10,
        };
        let ours = [Measured {
            fill: 1.0,
            decode: 0.1,
            prefill: Some(0.5),
        }];
        let theirs = [Measured {
            decode: 0.2,
            prefill: None,
            ..ours[0]
        }];
        let contested = |name: &str, point: Option<Point>| Contested {
            name: name.to_owned(),
            loaded: Loaded {
                engine: "engine 1".to_owned(),
                settings: "its best".to_owned(),
                seconds: 0.25,
            },
            peak_bytes: Some(3 << 20),
            device_bytes: None,
            points: point.into_iter().collect(),
        };
        let outcome = Outcome {
            schema: SCHEMA,
            cores: 2,
            busy: Some(4.5),
            rounds: 1,
            prompt: 50,
            generate: 10,
            interval: "an interval".to_owned(),
            models: vec![Measurement {
                model: "tiny".to_owned(),
                weight_bytes: 5 << 20,
                notes: vec!["a note".to_owned()],
                contestants: vec![
                    contested("dacapo", point(measure, None, &ours)),
                    contested("peer", point(measure, Some(&ours), &theirs)),
                ],
            }],
        };
        let text = outcome.to_string();
        for part in [
            "4.5 threads",
            "5 MiB",
            "a note",
            "ready in 0.250 s",
            "3 MiB resident",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        let row = text.lines().find(|line| line.starts_with("  peer  "));
        let cells: Vec<&str> = row.unwrap_or_default().split("  ").map(str::trim).collect();
        let cells: Vec<&str> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        let (same, twice) = ("1.00 (1.00 to 1.00)", "2.00 (2.00 to 2.00)");
        let speed = "100 (100 to 100)";
        let ms = "20.0 (20.0 to 20.0)";
        assert_eq!(
            cells,
            ["peer", "100", speed, "-", "50.0", ms, same, "-", twice]
        );
        assert_eq!(outcome.charts().len(), 3);
        let json = serde_json::to_value(&outcome).expect("JSON");
        assert_eq!(json["models"][0]["contestants"][1]["engine"], "engine 1");
    }
}
