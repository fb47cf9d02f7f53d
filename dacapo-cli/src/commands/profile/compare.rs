//! Two profiles side by side.

use core::fmt::Write;
use std::path::PathBuf;

use dacapo_profile::Comparison;
use dacapo_profile::analysis::Spread;
use dacapo_profile::compare::{Change, LabelChange};

use crate::commands::profile::figures::{cut, us};
use crate::table::{Align, Table, visible};

/// Rows of a table that are shown.
const ROWS: usize = 40;

pub(super) fn shown(comparison: &Comparison, files: [&PathBuf; 2], columns: usize) -> String {
    let mut text = String::new();
    for (name, file) in ["A", "B"].into_iter().zip(files) {
        let _ = writeln!(text, "{name}  {}", visible(&file.display().to_string()));
    }
    for remark in &comparison.remarks {
        let _ = writeln!(text, "note: {}", visible(remark));
    }
    for (name, labels) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        if !labels.is_empty() {
            let labels = visible(&labels.join(", "));
            let _ = writeln!(text, "only {name} has submissions of {labels}");
        }
    }
    for change in &comparison.labels {
        let _ = write!(text, "\n{}", label(change, columns));
    }
    if !comparison.labels.is_empty() {
        text.push_str(
            "\nmedians; B/A with a 95 % interval (Hodges-Lehmann, of the ratios of all pairs)\n",
        );
    }
    text
}

fn label(change: &LabelChange, columns: usize) -> String {
    let title = visible(&change.label);
    let whole = [&change.device, &change.interval];
    let mut text = table(&title, whole, columns).to_string();
    for (what, changes) in [
        ("by kind of operation", &change.ops),
        ("by kernel", &change.kernels),
    ] {
        if !changes.is_empty() {
            let _ = write!(
                text,
                "\n{}",
                table(&format!("{title} {what}"), changes, columns)
            );
        }
    }
    text
}

fn table<'c>(title: &str, changes: impl IntoIterator<Item = &'c Change>, columns: usize) -> Table {
    let mut table = Table::new([
        (title, Align::Left),
        ("A us", Align::Right),
        ("B us", Align::Right),
        ("B/A", Align::Right),
        ("interval", Align::Left),
        ("B is", Align::Left),
    ]);
    let width = columns.saturating_sub(62).clamp(16, 60);
    let mut changes = changes.into_iter();
    for change in changes.by_ref().take(ROWS) {
        let median = |spread: Option<Spread>| spread.map(|it| us(it.median)).unwrap_or_default();
        let ratio = change.ratio;
        let figure = ratio.map(|it| format!("{:.3}", it.ratio));
        let interval = ratio.map(|it| format!("{:.3} to {:.3}", it.low, it.high));
        table.row([
            cut(&change.name, width),
            median(change.a),
            median(change.b),
            figure.unwrap_or_default(),
            interval.unwrap_or_default(),
            change.verdict.name().to_owned(),
        ]);
    }
    let more = changes.count();
    if more > 0 {
        table.row([format!("and {more} more")]);
    }
    table
}
