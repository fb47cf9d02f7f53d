//! Everything about submissions of each label, in tables.

use core::fmt::Write;

use dacapo_profile::analysis::{BarrierRow, Bound, GapRow, PathRow, Row, Section};
use dacapo_profile::{Analysis, Profile};
use indicatif::HumanCount;

use crate::commands::profile::figures::{cut, ms, number, percent, us, words};
use crate::commands::profile::summary;
use crate::table::{Align, Table, visible};

/// Rows of a table that are shown; saved profiles have all.
const ROWS: usize = 40;

/// Labels that take less than this share of the device's time have no tables of their own.
const SHOWN: f64 = 0.02;

/// From so many columns on, tables have all of theirs.
pub(super) const WIDE: usize = 118;

/// All tables.
pub(super) fn shown(profile: &Profile, analysis: &Analysis, columns: usize) -> String {
    let mut text = String::new();
    let shape = Shape {
        peaks: profile.peaks.is_some(),
        columns,
    };
    let all = analysis.whole.device_ns;
    let counts = |section: &&Section| section.sums.device_ns as f64 >= SHOWN * all as f64;
    let (shown, small): (Vec<&Section>, Vec<&Section>) = in_order(analysis).partition(counts);
    for section in shown {
        text.push_str(&shape.section(section));
    }
    let small = small.iter().filter_map(|section| section.label.as_deref());
    let small: Vec<String> = small.map(visible).collect();
    if !small.is_empty() {
        let _ = writeln!(
            text,
            "not listed, less than 2 % of the time: {}\n",
            small.join(", ")
        );
    }
    if !analysis.gap_rows.is_empty() {
        let _ = write!(text, "{}", shape.gaps(&analysis.gap_rows));
    }
    text
}

/// The sections, first the one that the question is about.
fn in_order(analysis: &Analysis) -> impl Iterator<Item = &Section> {
    let main = summary::main(analysis);
    let labels = analysis.labels.iter();
    let others = labels.filter(move |section| main.is_none_or(|main| main.label != section.label));
    main.into_iter().chain(others)
}

struct Shape {
    peaks: bool,
    columns: usize,
}

/// A column of a table of dispatches.
struct Column {
    name: &'static str,
    align: Align,
    when: When,
    cell: fn(&Row) -> String,
}

/// What it takes for a column to be shown.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Always,
    Wide,
    Peaks,
}

const COLUMNS: [Column; 11] = [
    right("count", When::Always, |row| {
        HumanCount(row.duration_ns.count).to_string()
    }),
    right("ms", When::Always, |row| ms(row.attributed_ns)),
    right("share", When::Always, |row| percent(row.share)),
    right("min us", When::Wide, |row| us(row.duration_ns.min)),
    right("median us", When::Always, |row| us(row.duration_ns.median)),
    right("p95", When::Wide, |row| us(row.duration_ns.p95)),
    right("max", When::Wide, |row| us(row.duration_ns.max)),
    right("GB/s", When::Always, |row| {
        row.rate.gb_s.map(number).unwrap_or_default()
    }),
    right("GFLOP/s", When::Wide, |row| {
        row.rate.gflop_s.map(number).unwrap_or_default()
    }),
    right("peak", When::Peaks, |row| {
        row.rate.peak_share.map(percent).unwrap_or_default()
    }),
    Column {
        name: "bound",
        align: Align::Left,
        when: When::Peaks,
        cell: |row| row.bound.map_or("", Bound::name).to_owned(),
    },
];

const fn right(name: &'static str, when: When, cell: fn(&Row) -> String) -> Column {
    Column {
        name,
        align: Align::Right,
        when,
        cell,
    }
}

impl Shape {
    fn section(&self, section: &Section) -> String {
        let label = visible(section.label.as_deref().unwrap_or_default());
        let mut text = String::new();
        let tables = [
            ("by operation", &section.ops[..]),
            ("by kernel", &section.kernels),
            ("by layer", &section.layers),
            ("by part", &section.parts),
        ];
        for (what, rows) in tables {
            if !rows.is_empty() {
                let _ = writeln!(text, "{}", self.rows(&format!("{label} {what}"), rows));
            }
        }
        text.push_str(&stands_for(&label, &section.ops));
        if !section.critical.is_empty() {
            let _ = writeln!(text, "{}", self.critical(&label, &section.critical));
        }
        if !section.barriers.is_empty() {
            let _ = writeln!(text, "{}", self.barriers(&label, &section.barriers));
        }
        text
    }

    /// How wide names may be beside columns of so many characters.
    fn names(&self, others: usize) -> usize {
        self.columns.saturating_sub(others).clamp(16, 60)
    }

    fn rows(&self, title: &str, rows: &[Row]) -> Table {
        let wide = self.columns >= WIDE;
        let fits = |column: &&Column| match column.when {
            When::Always => true,
            When::Wide => wide,
            When::Peaks => self.peaks,
        };
        let columns: Vec<&Column> = COLUMNS.iter().filter(fits).collect();
        let heads = columns.iter().map(|column| (column.name, column.align));
        let width = self.names(if wide { 98 } else { 60 });
        let title = cut(title, width);
        let mut table = Table::new([(title.as_str(), Align::Left)].into_iter().chain(heads));
        for row in rows.iter().take(ROWS) {
            let name = match row.name.as_str() {
                "" => "(none)",
                name => name,
            };
            let cells = columns.iter().map(|column| (column.cell)(row));
            table.row([cut(name, width)].into_iter().chain(cells));
        }
        more(&mut table, rows.len());
        table
    }

    fn critical(&self, label: &str, rows: &[PathRow]) -> Table {
        let width = self.names(50);
        let title = cut(&format!("{label}, critical path"), width);
        let mut table = Table::new([
            (title.as_str(), Align::Left),
            ("waves", Align::Right),
            ("share", Align::Right),
            ("run us", Align::Right),
            ("wait us", Align::Right),
            ("total ms", Align::Right),
        ]);
        for row in rows.iter().take(ROWS) {
            table.row([
                cut(&row.op, width),
                HumanCount(row.waves).to_string(),
                percent(row.share),
                us(row.run_ns.median),
                us(row.wait_ns.median),
                ms(row.run_ns.total.saturating_add(row.wait_ns.total)),
            ]);
        }
        more(&mut table, rows.len());
        table
    }

    fn barriers(&self, label: &str, rows: &[BarrierRow]) -> Table {
        let width = (self.names(54) / 2).max(13);
        let title = cut(&format!("{label}, waits after"), width.max(19));
        let mut table = Table::new([
            (title.as_str(), Align::Left),
            ("before", Align::Left),
            ("count", Align::Right),
            ("median us", Align::Right),
            ("total ms", Align::Right),
            ("cause", Align::Left),
        ]);
        for row in rows.iter().take(ROWS) {
            table.row([
                cut(&row.before, width),
                cut(&row.after, width),
                HumanCount(row.wait_ns.count).to_string(),
                us(row.wait_ns.median),
                ms(row.wait_ns.total),
                words(&row.cause),
            ]);
        }
        more(&mut table, rows.len());
        table
    }

    fn gaps(&self, rows: &[GapRow]) -> Table {
        let mut table = Table::new([
            ("device idle between", Align::Left),
            ("count", Align::Right),
            ("median us", Align::Right),
            ("total ms", Align::Right),
            ("the host did", Align::Left),
        ]);
        for row in rows.iter().take(ROWS) {
            let total = row.length_ns.total.max(1) as f64;
            let mut doing: Vec<_> = row.doing.iter().collect();
            doing.sort_by_key(|it| core::cmp::Reverse(it.time_ns));
            let doing = doing.into_iter().map(|it| {
                let share = percent(it.time_ns as f64 / total);
                format!("{} {share}", it.name)
            });
            let doing: Vec<String> = doing.collect();
            table.row([
                cut(&format!("{}, {}", row.after, row.before), 24),
                HumanCount(row.length_ns.count).to_string(),
                us(row.length_ns.median),
                ms(row.length_ns.total),
                cut(&doing.join(", "), self.columns.saturating_sub(54)),
            ]);
        }
        more(&mut table, rows.len());
        table
    }
}

/// Says how many rows of a table are left out.
fn more(table: &mut Table, rows: usize) {
    if rows > ROWS {
        table.row([format!("and {} more", rows - ROWS)]);
    }
}

/// What fused operations stand for, a line each.
fn stands_for(label: &str, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for fused in &row.stands_for {
            let ops: Vec<String> = fused.ops.iter().map(|op| visible(op)).collect();
            let (name, count) = (visible(&row.name), HumanCount(fused.count));
            let _ = writeln!(text, "  {name} ({count}): {}", ops.join(" + "));
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("{label}, what fused operations stand for\n{text}\n"),
    }
}
