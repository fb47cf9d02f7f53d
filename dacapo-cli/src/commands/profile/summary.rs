//! One screen: where the time of a step goes.

use core::fmt::Write;

use dacapo_profile::analysis::{Bound, Doing, Section};
use dacapo_profile::{Analysis, Level, Profile, Timed};
use indicatif::HumanCount;

use crate::commands::profile::figures::{cut, number, percent, time, us, words};
use crate::commands::profile::measure::DECODE;
use crate::commands::profile::tables::WIDE;
use crate::stats;
use crate::table::{Align, Table, visible};

/// Kinds of operation that are listed.
const OPS: usize = 6;

/// Waits at barriers that are listed.
const BARRIERS: usize = 3;

const UNMEASURED: &str = "\
what the device can do is not known, and so neither are bounds: see
`dacapo devices --measure`
";

/// What holds of every time where dispatches cannot be timed among others.
const PASSES: &str = "one for each timed dispatch, as this device needs: none overlap";

/// The summary, which ends with an empty line.
pub(super) fn shown(profile: &Profile, analysis: &Analysis, columns: usize) -> String {
    let mut text = heading(profile, columns);
    let _ = writeln!(text, "\n{}", samples(analysis, columns));
    if let Some(section) = main(analysis) {
        text.push_str(&step(profile, analysis, section, columns));
    }
    text
}

/// The section that the question is about: of decode steps, or what took most.
pub(super) fn main(analysis: &Analysis) -> Option<&Section> {
    let most = || {
        let labels = analysis.labels.iter();
        labels.max_by_key(|section| section.sums.device_ns)
    };
    analysis.label(DECODE).or_else(most)
}

fn heading(profile: &Profile, columns: usize) -> String {
    let device = &profile.device;
    let units = stats::units(&device.backend, device.compute_units);
    let clocks = match profile.clock_error_ns {
        Some(0) => "device and host have the same".to_owned(),
        Some(error) => format!("device and host agree to {}", time(error)),
        None => "the device's times are those at which the host saw it done".to_owned(),
    };
    let mut rows = vec![
        ("profile", profile.title.clone()),
        (
            "device",
            format!("{} ({}{units})", device.name, device.backend),
        ),
        ("clocks", clocks),
    ];
    if let Some(peaks) = &profile.peaks {
        let bandwidth = number(peaks.read_bytes_per_second / 1e9);
        let f32s = number(peaks.f32_operations_per_second / 1e9);
        let f16s = peaks.f16_matrix_operations_per_second;
        let f16s = f16s.map(|rate| format!(", {} in f16 matrices", number(rate / 1e9)));
        let f16s = f16s.unwrap_or_default();
        rows.push((
            "peaks",
            format!("{bandwidth} GB/s, {f32s} GFLOP/s in f32{f16s}"),
        ));
    }
    match (&profile.distortion, profile.level) {
        (Some(distortion), _) if distortion.unprofiled_ns > 0 => {
            let ratio = distortion.profiled_ns as f64 / distortion.unprofiled_ns as f64;
            let (more, less) = (percent(ratio - 1.0), percent(1.0 - ratio));
            let difference = match ratio >= 1.0 {
                true => format!("{more} more"),
                false => format!("{less} less"),
            };
            rows.push((
                "timing",
                format!(
                    "each dispatch: {} takes {difference} device time than {} without",
                    distortion.label,
                    time(distortion.unprofiled_ns)
                ),
            ));
        }
        (_, Level::Submissions) => rows.push(("timing", "submissions only".to_owned())),
        (_, Level::Dispatches) => rows.push(("timing", "each dispatch".to_owned())),
    }
    if profile.timed == Some(Timed::OnePassEach) {
        rows.push(("passes", PASSES.to_owned()));
    }
    let rows = rows.into_iter().map(|(name, value)| {
        let value = cut(&visible(&value), columns.saturating_sub(9));
        format!("{name:<9}{value}\n")
    });
    rows.collect()
}

/// How long the device was at submissions.
fn samples(analysis: &Analysis, columns: usize) -> Table {
    let wide = columns >= WIDE;
    let more = ["dispatches", "waves"].into_iter().filter(|_| wide);
    let heads = ["count", "median", "p95", "min", "max", "end to end"];
    let heads = heads.into_iter().chain(more);
    let heads = heads.map(|name| (name, Align::Right));
    let mut table = Table::new([("submissions", Align::Left)].into_iter().chain(heads));
    for section in &analysis.labels {
        let (device, interval) = (section.device_ns, section.interval_ns);
        let cells = [
            cut(section.label.as_deref().unwrap_or_default(), 20),
            HumanCount(device.count).to_string(),
            time(device.median),
            time(device.p95),
            time(device.min),
            time(device.max),
            match interval.count {
                0 => String::new(),
                _ => time(interval.median),
            },
        ];
        let more = [section.dispatches, section.waves].map(|it| match it.max {
            0 => String::new(),
            _ => HumanCount(it.median).to_string(),
        });
        table.row(cells.into_iter().chain(more.into_iter().filter(|_| wide)));
    }
    table
}

/// Where the time of one submission goes, on average.
fn step(profile: &Profile, analysis: &Analysis, section: &Section, columns: usize) -> String {
    let mut text = String::new();
    let label = visible(section.label.as_deref().unwrap_or_default());
    let count = section.device_ns.count.max(1);
    let all = section.sums.device_ns + section.bounds.host_ns;
    let bound = section.bound.map_or(String::new(), |bound| {
        format!("\nmostly bound by {}", reason(bound))
    });
    let _ = writeln!(
        text,
        "{label}: {} each on average{bound}",
        time(all / count)
    );
    if let Some(line) = achieved(section, all, count) {
        let _ = writeln!(text, "{line}");
    }
    if profile.peaks.is_none() {
        text.push_str(UNMEASURED);
    }
    let _ = writeln!(text, "\n{}", parts(analysis, section, columns));
    if !section.ops.is_empty() {
        let peaks = profile.peaks.is_some();
        let _ = writeln!(text, "{}", top(section, count, peaks, columns));
    }
    if !section.barriers.is_empty() {
        let _ = writeln!(text, "{}", waits(section, count, columns));
    }
    text
}

fn reason(bound: Bound) -> &'static str {
    match bound {
        Bound::Bandwidth => "memory bandwidth",
        Bound::Compute => "arithmetic",
        Bound::Latency => "latency: too little is in flight to keep memory busy",
        Bound::Launch => "starting dispatches too small for the device",
        Bound::BarrierWait => "waiting at barriers",
        Bound::Host => "the host: the device is idle",
    }
}

/// What the device did in all this time, beside what it can do.
fn achieved(section: &Section, all: u64, count: u64) -> Option<String> {
    let rate = section.rate;
    let bytes = (rate.read.saturating_add(rate.written)) / count;
    let gb_s = number(rate.gb_s?);
    let moved = number(bytes as f64 / 1e6);
    let mut line = format!("it moves {moved} MB, at {gb_s} GB/s");
    if let Some(share) = rate.bandwidth_share {
        let _ = write!(line, ": {} of the peak", percent(share));
    }
    if let Some(least) = rate.least_ns {
        let share = percent(least as f64 / all.max(1) as f64);
        let least = time(least / count);
        let _ = write!(
            line,
            "\nat the peaks it would take {least}: {share} of the time"
        );
    }
    Some(line)
}

/// The parts that add up to a submission and the gap before it.
fn parts(analysis: &Analysis, section: &Section, columns: usize) -> Table {
    let count = section.device_ns.count.max(1);
    let (sums, bounds) = (section.sums, section.bounds);
    let all = sums.device_ns + bounds.host_ns;
    let dispatches = match section.dispatches.median {
        0 => String::new(),
        dispatches => format!("{dispatches} in {} waves", section.waves.median),
    };
    let barriers: u64 = section.barriers.iter().map(|row| row.wait_ns.count).sum();
    let barriers = format!("{} with nothing running", barriers / count);
    let rows = [
        ("dispatches", sums.busy_ns, dispatches),
        ("waits at barriers", sums.barrier_wait_ns, barriers),
        ("waits within waves", sums.wave_wait_ns, String::new()),
        ("before the first dispatch", sums.head_ns, String::new()),
        ("after the last dispatch", sums.tail_ns, String::new()),
        ("not looked into", sums.unresolved_ns, String::new()),
        ("device idle", bounds.host_ns, idle(analysis, section)),
    ];
    let mut table = Table::new([
        ("where it goes", Align::Left),
        ("us each", Align::Right),
        ("share", Align::Right),
        ("", Align::Left),
    ]);
    for (name, time, note) in rows {
        if time > 0 {
            let share = percent(time as f64 / all.max(1) as f64);
            let note = cut(&note, columns.saturating_sub(46));
            table.row([name.to_owned(), us(time / count), share, note]);
        }
    }
    table
}

/// What the host did while the device was idle before these submissions.
fn idle(analysis: &Analysis, section: &Section) -> String {
    let label = section.label.as_deref().unwrap_or_default();
    let rows = analysis.gap_rows.iter().filter(|row| row.before == label);
    let (mut doing, mut length): (Vec<Doing>, u64) = (Vec::new(), 0);
    for row in rows {
        length += row.length_ns.total;
        for it in &row.doing {
            match doing.iter_mut().find(|known| known.name == it.name) {
                Some(known) => known.time_ns += it.time_ns,
                None => doing.push(it.clone()),
            }
        }
    }
    doing.sort_by_key(|it| core::cmp::Reverse(it.time_ns));
    let doing = doing.iter().take(3).map(|it| {
        let share = it.time_ns as f64 / length.max(1) as f64;
        format!("{} {}", it.name, percent(share))
    });
    let doing: Vec<String> = doing.collect();
    match doing.is_empty() {
        true => String::new(),
        false => format!("the host: {}", doing.join(", ")),
    }
}

fn top(section: &Section, count: u64, peaks: bool, columns: usize) -> Table {
    let mut heads = vec![
        ("dispatches of", Align::Left),
        ("count", Align::Right),
        ("us each", Align::Right),
        ("share", Align::Right),
        ("GB/s", Align::Right),
    ];
    if peaks {
        heads.extend([("of peak", Align::Right), ("bound", Align::Left)]);
    }
    let mut table = Table::new(heads);
    let width = columns.saturating_sub(50).clamp(16, 60);
    for row in section.ops.iter().take(OPS) {
        let bound = row.bound.map_or("", Bound::name).to_owned();
        let share = row.rate.peak_share.map(percent).unwrap_or_default();
        let cells = [
            cut(&row.name, width),
            HumanCount(row.duration_ns.count / count).to_string(),
            us(row.attributed_ns / count),
            percent(row.share),
            row.rate.gb_s.map(number).unwrap_or_default(),
        ];
        let more = [share, bound].into_iter().take(if peaks { 2 } else { 0 });
        table.row(cells.into_iter().chain(more));
    }
    table
}

fn waits(section: &Section, count: u64, columns: usize) -> Table {
    let mut table = Table::new([
        ("waits at barriers for", Align::Left),
        ("before", Align::Left),
        ("us each", Align::Right),
        ("share", Align::Right),
        ("cause", Align::Left),
    ]);
    let width = columns.saturating_sub(42).clamp(20, 80) / 2;
    for row in section.barriers.iter().take(BARRIERS) {
        table.row([
            cut(&row.before, width),
            cut(&row.after, width),
            us(row.wait_ns.total / count),
            percent(row.share),
            words(&row.cause),
        ]);
    }
    table
}
