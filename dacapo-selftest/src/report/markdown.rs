//! The report as text for people.

use core::fmt::Write;
use std::collections::BTreeMap;

use crate::report::{Record, Report};

/// What stands before and after the JSON.
const FENCES: [&str; 2] = ["```json\n", "\n```\n"];

pub(super) fn of(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = heading(report);
    text.push_str(&summary(report));
    text.push_str(&checks(report));
    text.push_str(&findings(report));
    text.push_str(&surroundings(report));
    let _ = write!(
        text,
        "## All of it as data\n\n{}{}{}",
        FENCES[0],
        report.to_json()?,
        FENCES[1]
    );
    Ok(text)
}

/// The JSON at the end of a report.
pub(super) fn json_in(text: &str) -> Option<&str> {
    let start = text.rfind(FENCES[0])? + FENCES[0].len();
    let end = text.rfind(FENCES[1])?;
    text.get(start..end)
}

/// A table; cells can neither end it nor add columns.
fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells = cells.into_iter().map(|cell| {
            let one_line = cell.split_whitespace().collect::<Vec<_>>().join(" ");
            one_line.replace('|', "\\|")
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(heads.iter().map(|head| (*head).to_owned()).collect());
    text.push_str(&line(vec!["---".to_owned(); heads.len()]));
    text.extend(rows.into_iter().map(line));
    text.push('\n');
    text
}

fn heading(report: &Report) -> String {
    let machine = &report.machine;
    let revision = machine.revision.as_deref().unwrap_or("unknown revision");
    let build = match machine.optimised {
        true => "release build",
        false => "debug build",
    };
    let device = |key| machine.device.get(key).map_or("", String::as_str);
    let mut text = format!(
        "# dacapo selftest\n\ndacapo {} ({revision}, {build}) on {} ({}), {}, {} threads\n\n\
         Device: {} ({}, {}), driver {}\n\n",
        machine.version,
        machine.os,
        machine.arch,
        machine.processor,
        machine.threads,
        device("name"),
        device("backend"),
        device("kind"),
        match device("driver") {
            "" => "none",
            driver => driver,
        },
    );
    if let Some(running) = &report.running {
        let done = report.records.len();
        let _ = write!(
            text,
            "**It ended early, in the middle of the check \"{running}\", after {done} of {} checks.**\n\n",
            report.total
        );
    }
    text
}

fn summary(report: &Report) -> String {
    let rows = report.tallies().into_iter().map(|(group, tally)| {
        vec![
            group.to_string(),
            tally.passed.to_string(),
            tally.failed.to_string(),
            tally.skipped.to_string(),
            format!("{:.0}", tally.ms),
        ]
    });
    format!(
        "## Summary\n\n{}{} checks, {} failed, {} skipped, {:.1} seconds\n\n",
        table(&["group", "passed", "failed", "skipped", "ms"], rows),
        report.records.len(),
        report.failed().count(),
        report.skipped().count(),
        report.seconds
    )
}

fn checks(report: &Report) -> String {
    let mut text = String::new();
    let reasons = |title: &str, records: Vec<&Record>| {
        let rows = records.iter().map(|record| {
            let reason = record.outcome.reason().unwrap_or_default();
            vec![record.group.clone(), record.name.clone(), reason.to_owned()]
        });
        match records.is_empty() {
            true => String::new(),
            false => format!(
                "## {title}\n\n{}",
                table(&["group", "check", "reason"], rows)
            ),
        }
    };
    text.push_str(&reasons("Failed", report.failed().collect()));
    text.push_str(&reasons("Skipped", report.skipped().collect()));
    let rows = report.records.iter().map(|record| {
        vec![
            record.group.clone(),
            record.name.clone(),
            record.outcome.word().to_owned(),
            format!("{:.1}", record.ms),
        ]
    });
    let _ = write!(
        text,
        "## Checks\n\n{}",
        table(&["group", "check", "result", "ms"], rows)
    );
    text
}

fn findings(report: &Report) -> String {
    let findings = &report.findings;
    let mut text = String::new();
    if !findings.parity.is_empty() {
        let rows = findings.parity.iter().map(|it| {
            let (cases, elements) = (it.cases.to_string(), it.elements.to_string());
            vec![it.op.clone(), cases, elements, format!("{:.4}", it.worst)]
        });
        let heads = [
            "operation",
            "cases",
            "elements",
            "greatest error of what is allowed",
        ];
        let _ = write!(text, "## Operations against f64\n\n{}", table(&heads, rows));
    }
    if !findings.figures.is_empty() {
        let rows = findings.figures.iter().map(|it| {
            let value = format!("{:.3}", it.value);
            vec![
                it.name.clone(),
                value,
                it.unit.clone(),
                it.samples.to_string(),
            ]
        });
        let heads = ["measured", "median", "unit", "samples"];
        let _ = write!(text, "## Speed\n\n{}", table(&heads, rows));
    }
    if !findings.kernels.is_empty() {
        let rows = findings.kernels.iter().map(|it| {
            vec![
                it.model.clone(),
                it.kernel.clone(),
                it.count.to_string(),
                format!("{:.3}", it.attributed_ms),
                format!("{:.1} %", 100.0 * it.share),
                format!("{:.2}", it.median_us),
                it.gb_s.map(|rate| format!("{rate:.2}")).unwrap_or_default(),
            ]
        });
        let heads = [
            "model",
            "kernel",
            "count",
            "ms",
            "share",
            "median us",
            "GB/s",
        ];
        let _ = write!(
            text,
            "## Kernels of decode steps\n\n{}",
            table(&heads, rows)
        );
    }
    text
}

fn surroundings(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = String::new();
    let parts: [(&str, &BTreeMap<String, String>); 5] = [
        ("Device", &machine.device),
        ("Limits", &machine.limits),
        ("GPU kernels", &machine.gpu),
        ("Environment", &machine.environment),
        ("Settings", &machine.settings),
    ];
    for (title, map) in parts.into_iter().filter(|(_, map)| !map.is_empty()) {
        let rows = map
            .iter()
            .map(|(name, value)| vec![name.clone(), value.clone()]);
        let _ = write!(text, "## {title}\n\n{}", table(&["name", "value"], rows));
    }
    text
}
