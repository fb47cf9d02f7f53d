//! What came out, for the terminal.

use core::fmt::Write;
use std::path::Path;

use dacapo_selftest::{Record, Report};

use crate::table::{Align, Table, visible};

/// Columns that a reason takes at least.
const NARROW: usize = 40;

/// Kernels of a model that are listed; the report has all.
const KERNELS: usize = 8;

pub(super) fn shown(report: &Report, file: &Path, columns: usize) -> String {
    let mut text = heading(report);
    let _ = write!(text, "\n{}", groups(report));
    let findings = &report.findings;
    if !findings.parity.is_empty() {
        let _ = write!(text, "\n{}", parity(report));
    }
    if !findings.figures.is_empty() {
        let _ = write!(text, "\n{}", figures(report));
    }
    if !findings.kernels.is_empty() {
        let _ = write!(text, "\n{}", kernels(report));
    }
    text.push_str(&reasons("skipped", report.skipped(), columns));
    text.push_str(&reasons("failed", report.failed(), columns));
    let _ = write!(
        text,
        "\n{} checks, {} failed, {} skipped, {:.0} s; the report: {}\n",
        report.records.len(),
        report.failed().count(),
        report.skipped().count(),
        report.seconds,
        visible(&file.display().to_string())
    );
    text
}

fn heading(report: &Report) -> String {
    let machine = &report.machine;
    let device = |key| machine.device.get(key).map_or("", String::as_str);
    let driver = match device("driver") {
        "" => String::new(),
        driver => format!(", {driver}"),
    };
    let rows = [
        (
            "dacapo",
            format!(
                "{} ({})",
                machine.version,
                machine.revision.as_deref().unwrap_or("unknown revision")
            ),
        ),
        ("system", format!("{}, {}", machine.os, machine.arch)),
        (
            "device",
            format!("{} ({}{driver})", device("name"), device("backend")),
        ),
    ];
    let rows = rows.map(|(name, value)| format!("{name:<8}{}\n", visible(&value)));
    rows.concat()
}

fn groups(report: &Report) -> Table {
    let mut table = Table::new([
        ("group", Align::Left),
        ("passed", Align::Right),
        ("failed", Align::Right),
        ("skipped", Align::Right),
        ("seconds", Align::Right),
    ]);
    for (group, tally) in report.tallies() {
        table.row([
            group.to_string(),
            tally.passed.to_string(),
            tally.failed.to_string(),
            tally.skipped.to_string(),
            format!("{:.1}", tally.ms / 1e3),
        ]);
    }
    table
}

fn parity(report: &Report) -> Table {
    let mut table = Table::new([
        ("operation against f64", Align::Left),
        ("cases", Align::Right),
        ("elements", Align::Right),
        ("of allowed error", Align::Right),
    ]);
    for row in &report.findings.parity {
        table.row([
            row.op.clone(),
            row.cases.to_string(),
            row.elements.to_string(),
            format!("{:.1} %", 100.0 * row.worst),
        ]);
    }
    table
}

fn figures(report: &Report) -> Table {
    let mut table = Table::new([
        ("measured", Align::Left),
        ("median", Align::Right),
        ("unit", Align::Left),
    ]);
    for figure in &report.findings.figures {
        table.row([
            figure.name.clone(),
            digits(figure.value),
            figure.unit.clone(),
        ]);
    }
    table
}

/// About three digits.
fn digits(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn kernels(report: &Report) -> Table {
    let mut table = Table::new([
        ("model", Align::Left),
        ("kernel", Align::Left),
        ("count", Align::Right),
        ("share", Align::Right),
        ("median us", Align::Right),
        ("GB/s", Align::Right),
    ]);
    let (mut model, mut listed) = ("", 0);
    for row in &report.findings.kernels {
        if row.model != model {
            (model, listed) = (&row.model, 0);
        }
        listed += 1;
        if listed > KERNELS {
            continue;
        }
        table.row([
            row.model.clone(),
            row.kernel.clone(),
            row.count.to_string(),
            format!("{:.1} %", 100.0 * row.share),
            format!("{:.1}", row.median_us),
            row.gb_s.map(digits).unwrap_or_default(),
        ]);
    }
    table
}

/// Checks with why they did not pass, which may be long: not more than a few lines of it.
fn reasons<'r>(word: &str, records: impl Iterator<Item = &'r Record>, columns: usize) -> String {
    let mut text = String::new();
    let most = 6 * columns.max(NARROW);
    for record in records {
        let reason = visible(record.outcome.reason().unwrap_or_default());
        let cut: String = reason.chars().take(most).collect();
        let more = if cut.len() < reason.len() { "…" } else { "" };
        let (group, name) = (&record.group, &record.name);
        let _ = write!(text, "\n{word}: {group}: {name}\n  {cut}{more}\n");
    }
    text
}
