//! What a replay took, wrote and differed in.

use core::fmt;
use std::time::Duration;

use dacapo::{BufferView, GraphFile};
use indicatif::BinaryBytes;
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::compare::{Difference, Kind, Outcome, compare};
use super::load::{How, Run};
use crate::error::Result;
use crate::stats;
use crate::table::{Align, Table, visible};

/// Bytes that are read at a time.
const PIECE: u64 = 8 << 20;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    file: String,
    device: String,
    backend: String,
    #[serde(skip)]
    units: u32,
    /// As captured.
    nodes: usize,
    /// As they run.
    dispatches: usize,
    waves: usize,
    buffers_in_file: usize,
    /// Buffers that begin with contents of the file.
    stored: usize,
    /// The seed of what the others begin with.
    fill: Option<u64>,
    times_us: Vec<f64>,
    /// Those that were written.
    buffers: Vec<Written>,
    pub(super) verified: Option<Checked>,
}

#[derive(Serialize)]
struct Written {
    index: usize,
    label: String,
    bytes: u64,
    checksum: String,
}

/// How another device compares.
#[derive(Serialize)]
pub(super) struct Checked {
    device: String,
    backend: String,
    tolerance: f64,
    buffers: Vec<Compared>,
}

#[derive(Serialize)]
struct Compared {
    index: usize,
    label: String,
    outcome: Outcome,
}

impl Report {
    pub(super) fn new(
        name: String,
        file: &GraphFile<'_>,
        run: &Run,
        how: &How,
        times: &[Duration],
    ) -> Result<Report> {
        let info = run.device.info();
        let written = run.written().into_iter().map(|index| {
            let view = &run.buffers[index];
            Ok(Written {
                index,
                label: view.label().to_owned(),
                bytes: view.len(),
                checksum: format!("{:016x}", checksum(view)?),
            })
        });
        Ok(Report {
            file: name,
            device: info.name.clone(),
            backend: info.backend.to_string(),
            units: info.compute_units,
            nodes: file.nodes().len(),
            dispatches: run.plan.graph().nodes().len(),
            waves: run.plan.waves().len(),
            buffers_in_file: file.buffers().len(),
            stored: file.buffers().iter().filter(|buffer| buffer.stored).count(),
            fill: how.fill,
            times_us: times.iter().map(|time| time.as_secs_f64() * 1e6).collect(),
            buffers: written.collect::<Result<_>>()?,
            verified: None,
        })
    }

    fn contents(&self) -> String {
        let others = match self.fill {
            None => "zeros".to_owned(),
            Some(seed) => format!("numbers made from the seed {seed}"),
        };
        match (self.stored, self.buffers_in_file) {
            (0, all) => format!("none in the file; its {all} buffers begin with {others}"),
            (some, all) if some == all => format!("in the file, of all {all} buffers"),
            (some, all) => {
                format!("in the file, of {some} of {all} buffers; others begin with {others}")
            }
        }
    }

    fn times(&self) -> String {
        let mut sorted = self.times_us.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let shortest = sorted.first().copied().unwrap_or_default();
        match sorted.len() {
            1 => format!("{median:.1} us on the device"),
            runs => {
                format!("{median:.1} us on the device, median of {runs}; shortest {shortest:.1} us")
            }
        }
    }
}

impl Checked {
    /// What two runs of a file wrote.
    pub(super) fn new(run: &Run, other: &Run, tolerance: f64) -> Result<Checked> {
        let info = other.device.info();
        let buffers = run.written().into_iter().map(|index| {
            let (a, b) = (&run.buffers[index], &other.buffers[index]);
            Ok(Compared {
                index,
                label: a.label().to_owned(),
                outcome: compare(a, b, tolerance)?,
            })
        });
        Ok(Checked {
            device: info.name.clone(),
            backend: info.backend.to_string(),
            tolerance,
            buffers: buffers.collect::<Result<_>>()?,
        })
    }

    /// What is wrong, in words, if anything is.
    pub(super) fn first_difference(self) -> Option<String> {
        let differ = |it: &&Compared| matches!(it.outcome, Outcome::Different(_));
        let count = self.buffers.iter().filter(differ).count();
        let first = self.buffers.iter().find(differ)?;
        let Outcome::Different(difference) = &first.outcome else {
            return None;
        };
        let Difference { offset, values, .. } = difference;
        let [a, b] = values;
        let all = self.buffers.len();
        Some(format!(
            "{count} of {all} buffers differ; the first, {} {:?}, at byte {offset}: {a} here and {b} on {} ({})",
            first.index, first.label, self.device, self.backend
        ))
    }
}

fn checksum(view: &BufferView) -> Result<u64> {
    let mut hash = Xxh3::new();
    let mut at = 0;
    while at < view.len() {
        let end = view.len().min(at + PIECE);
        hash.update(&view.slice(at..end)?.read::<u8>()?);
        at = end;
    }
    Ok(hash.digest())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = stats::units(&self.backend, self.units);
        let (nodes, dispatches, waves) = (self.nodes, self.dispatches, self.waves);
        writeln!(f, "file      {}", visible(&self.file))?;
        writeln!(f, "device    {} ({}{units})", self.device, self.backend)?;
        writeln!(
            f,
            "plan      {nodes} nodes, run as {dispatches} in {waves} waves"
        )?;
        writeln!(f, "contents  {}", self.contents())?;
        writeln!(f, "a run     {}\n", self.times())?;
        let mut table = Table::new([
            ("buffer", Align::Right),
            ("written", Align::Left),
            ("bytes", Align::Right),
            ("checksum", Align::Left),
        ]);
        for buffer in &self.buffers {
            table.row([
                buffer.index.to_string(),
                buffer.label.clone(),
                BinaryBytes(buffer.bytes).to_string(),
                buffer.checksum.clone(),
            ]);
        }
        write!(f, "{table}")?;
        match &self.verified {
            None => Ok(()),
            Some(checked) => write!(f, "\n{checked}"),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (device, backend, tolerance) = (&self.device, &self.backend, self.tolerance);
        writeln!(
            f,
            "against   {device} ({backend}), tolerance {tolerance:e}\n"
        )?;
        let mut table = Table::new([
            ("buffer", Align::Right),
            ("written", Align::Left),
            ("compares", Align::Left),
            ("apart", Align::Right),
            ("first difference", Align::Left),
        ]);
        for Compared {
            index,
            label,
            outcome,
        } in &self.buffers
        {
            let (how, share, first) = match outcome {
                Outcome::Equal => ("equal".to_owned(), None, String::new()),
                Outcome::Close { kind, share } => (
                    format!("close as {}", kind.name()),
                    Some(*share),
                    String::new(),
                ),
                Outcome::Different(difference) => {
                    let [a, b] = &difference.values;
                    (
                        format!("differs as {}", difference.kind.name()),
                        difference.share,
                        format!("byte {}: {a}, {b}", difference.offset),
                    )
                }
            };
            let share = share.map_or(String::new(), |share| format!("{share:.1e}"));
            table.row([index.to_string(), label.clone(), how, share, first]);
        }
        write!(f, "{table}")
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::F32 => "f32",
            Kind::F16 => "f16",
            Kind::Bytes => "bytes",
        }
    }
}
