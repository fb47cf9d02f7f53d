//! What a command's phases did: tokens, time and the device's counters.

use std::time::Instant;

use dacapo::{Counters, Device};
use indicatif::HumanCount;
use serde::{Serialize, Serializer};

use crate::table::{Align, Table};

/// Measures one phase.
pub(crate) struct Meter<'d> {
    device: &'d Device,
    before: Counters,
    started: Instant,
}

/// A phase that has ended. Serialised as [`PhaseJson`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    tokens: usize,
    seconds: f64,
    counters: Counters,
}

#[derive(Serialize)]
struct PhaseJson {
    tokens: usize,
    seconds: f64,
    tok_s: Option<f64>,
    dispatches: u64,
    barriers: BarriersJson,
    barriers_elided: u64,
    submissions: u64,
    waits: u64,
}

#[derive(Serialize)]
struct BarriersJson {
    total: u64,
    read_after_write: u64,
    write_after_read: u64,
    write_after_write: u64,
    unknown_access: u64,
    serial: u64,
    explicit: u64,
}

impl<'d> Meter<'d> {
    pub(crate) fn start(device: &'d Device) -> Meter<'d> {
        Meter {
            device,
            before: device.counters(),
            started: Instant::now(),
        }
    }

    /// Ends the phase, in which so many tokens went through the model.
    pub(crate) fn finish(self, tokens: usize) -> Phase {
        let seconds = self.started.elapsed().as_secs_f64();
        Phase {
            tokens,
            seconds,
            counters: self.device.counters() - self.before,
        }
    }
}

impl Phase {
    fn tokens_per_second(&self) -> Option<f64> {
        (self.tokens > 0 && self.seconds > 0.0).then(|| self.tokens as f64 / self.seconds)
    }
}

impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = &self.counters;
        let json = PhaseJson {
            tokens: self.tokens,
            seconds: self.seconds,
            tok_s: self.tokens_per_second(),
            dispatches: counters.dispatches,
            barriers: BarriersJson {
                total: counters.barriers(),
                read_after_write: counters.barriers_read_after_write,
                write_after_read: counters.barriers_write_after_read,
                write_after_write: counters.barriers_write_after_write,
                unknown_access: counters.barriers_unknown_access,
                serial: counters.barriers_serial,
                explicit: counters.barriers_explicit,
            },
            barriers_elided: counters.barriers_elided,
            submissions: counters.submissions,
            waits: counters.waits,
        };
        json.serialize(serializer)
    }
}

/// A table with a column for each of `phases`. Causes for which no barrier was put are left out.
pub(crate) fn table(phases: [(&str, &Phase); 4]) -> Table {
    let [a, b, c, d] = phases.map(|(name, _)| (name, Align::Right));
    let mut table = Table::new([("", Align::Left), a, b, c, d]);
    let phases = phases.map(|(_, phase)| phase);
    let mut row = |name: &str, cell: &dyn Fn(&Phase) -> String| {
        let [a, b, c, d] = phases.map(cell);
        table.row([name.to_owned(), a, b, c, d]);
    };
    let count = |count: u64| HumanCount(count).to_string();
    let rate = |phase: &Phase| phase.tokens_per_second().map(|rate| format!("{rate:.1}"));

    row("tokens", &|phase| count(phase.tokens as u64));
    row("seconds", &|phase| format!("{:.3}", phase.seconds));
    row("tok/s", &|phase| rate(phase).unwrap_or_default());
    row("dispatches", &|phase| count(phase.counters.dispatches));
    row("barriers", &|phase| count(phase.counters.barriers()));
    for (cause, barriers) in CAUSES {
        if phases.iter().any(|phase| barriers(&phase.counters) > 0) {
            row(cause, &|phase| count(barriers(&phase.counters)));
        }
    }
    row("barriers elided", &|phase| {
        count(phase.counters.barriers_elided)
    });
    row("submissions", &|phase| count(phase.counters.submissions));
    row("waits", &|phase| count(phase.counters.waits));
    table
}

type Barriers = fn(&Counters) -> u64;

const CAUSES: [(&str, Barriers); 6] = [
    ("- read after write", |counters| {
        counters.barriers_read_after_write
    }),
    ("- write after read", |counters| {
        counters.barriers_write_after_read
    }),
    ("- write after write", |counters| {
        counters.barriers_write_after_write
    }),
    ("- unknown access", |counters| {
        counters.barriers_unknown_access
    }),
    ("- serial", |counters| counters.barriers_serial),
    ("- explicit", |counters| counters.barriers_explicit),
];

/// How many things of a device work at the same time, as the end of a line that names it.
pub(crate) fn units(backend: impl ToString, count: u32) -> String {
    match (backend.to_string().as_str(), count) {
        ("cpu", threads) => format!(", {threads} threads"),
        // Vulkan does not tell for every GPU.
        (_, 0) => String::new(),
        (_, units) => format!(", {units} units"),
    }
}
