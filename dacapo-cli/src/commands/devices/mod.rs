//! `dacapo devices`.

mod measure;

use dacapo::{Backend, Device, DeviceInfo, DeviceOptions, DeviceSelector};
use dacapo_profile::Peaks;
use serde::Serialize;

use crate::cache;
use crate::commands::Ending;
use crate::error::Result;
use crate::options::WhichDevice;
use crate::output;
use crate::table::{Align, Table};
use measure::Measured;

const AFTER_HELP: &str = "\
Any of index, backend or part of the name chooses a device for --device.

--measure finds out what a device can do at most: how fast it reads and copies \
memory and computes, and what dispatches, barriers, launches and waiting cost. It \
takes some seconds for each device, which should have nothing else to do. What was \
measured is kept in the user's cache folder, is shown from then on, and is what \
profiles are compared with.";

/// List the devices of this machine, the default one first
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Devices {
    /// Measure what each device can do at most, or the one that --device chooses
    #[arg(long)]
    measure: bool,
    #[command(flatten)]
    which: WhichDevice,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listing {
    devices: Vec<Entry>,
    absent: Vec<Absent>,
}

#[derive(Serialize)]
struct Entry {
    index: usize,
    name: String,
    backend: String,
    driver: String,
    kind: String,
    memory_bytes: u64,
    compute_units: u32,
    features: Vec<&'static str>,
    peaks: Option<Peaks>,
}

#[derive(Serialize)]
struct Absent {
    backend: String,
    reason: String,
}

impl Devices {
    pub(crate) fn run(self) -> Result<Ending> {
        let options = self.which.options()?;
        let found = Device::enumerate();
        let chosen = self.which.is_chosen() || options.device != DeviceSelector::Best;
        let mut measured = match (self.measure, chosen) {
            (false, _) => Measured::default(),
            (true, true) => Measured::one(&options),
            (true, false) => Measured::all(&options, &found.devices),
        };
        let absent = found.absent.into_iter().map(|absent| Absent {
            backend: absent.backend.to_string(),
            reason: absent.reason,
        });
        let devices = found.devices.into_iter();
        let listing = Listing {
            devices: devices
                .map(|info| entry(info, &options, &measured))
                .collect(),
            absent: absent.collect(),
        };
        if let (true, Some(error)) = (measured.peaks.is_empty(), measured.failed.take()) {
            return Err(error);
        }
        match self.json {
            true => output::print_json(&listing)?,
            false => output::print(table(&listing))?,
        }
        measured.failed.map_or(Ok(Ending::Complete), Err)
    }
}

/// A device as it would be opened, and what is known of it.
fn entry(mut info: DeviceInfo, options: &DeviceOptions, measured: &Measured) -> Entry {
    let on_processor = matches!(info.backend, Backend::Cpu | Backend::Reference);
    if let (true, Some(threads)) = (on_processor, options.threads) {
        info.compute_units = u32::try_from(threads.get()).unwrap_or(u32::MAX);
    }
    let peaks = measured.peaks.get(&info.index).copied();
    Entry {
        peaks: peaks.or_else(|| cache::peaks()?.load(&info)),
        index: info.index,
        name: info.name,
        backend: info.backend.to_string(),
        driver: info.driver,
        kind: info.kind.to_string(),
        memory_bytes: info.memory,
        compute_units: info.compute_units,
        features: info.features,
    }
}

/// Bytes in two digits, which is what fits beside long names.
fn memory(bytes: u64) -> String {
    const MIB: f64 = (1 << 20) as f64;
    const GIB: f64 = (1 << 30) as f64;
    let bytes = bytes as f64;
    match bytes / GIB {
        gib if gib >= 10.0 => format!("{gib:.0} GiB"),
        gib if gib >= 1.0 => format!("{gib:.1} GiB"),
        _ => format!("{:.0} MiB", bytes / MIB),
    }
}

fn table(listing: &Listing) -> String {
    let mut table = Table::new([
        ("index", Align::Right),
        ("name", Align::Left),
        ("backend", Align::Left),
        ("kind", Align::Left),
        ("memory", Align::Right),
        ("units", Align::Right),
    ]);
    for device in &listing.devices {
        table.row([
            device.index.to_string(),
            device.name.clone(),
            device.backend.clone(),
            device.kind.clone(),
            memory(device.memory_bytes),
            device.compute_units.to_string(),
        ]);
    }
    let mut text = table.to_string();
    for device in listing
        .devices
        .iter()
        .filter(|device| !device.features.is_empty())
    {
        text.push_str(&format!(
            "\n{} ({}): {}\n",
            device.index,
            device.backend,
            device.features.join(", ")
        ));
    }
    if let Some(peaks) = peaks(listing) {
        text.push_str(&peaks);
    }
    if !listing.absent.is_empty() {
        text.push('\n');
    }
    for absent in &listing.absent {
        text.push_str(&format!(
            "no {} device: {}\n",
            absent.backend, absent.reason
        ));
    }
    text
}

/// What was measured of devices.
fn peaks(listing: &Listing) -> Option<String> {
    let mut table = Table::new([
        ("index", Align::Right),
        ("read", Align::Right),
        ("copy", Align::Right),
        ("f32", Align::Right),
        ("f16", Align::Right),
        ("dispatch", Align::Right),
        ("barrier", Align::Right),
        ("launch", Align::Right),
        ("round trip", Align::Right),
    ]);
    let mut measured = listing
        .devices
        .iter()
        .filter_map(|device| Some((device.index, device.peaks?)))
        .peekable();
    measured.peek()?;
    for (index, peaks) in measured {
        let giga = |rate: f64| digits(rate / 1e9);
        let micro = |ns: f64| digits(ns / 1e3);
        table.row([
            index.to_string(),
            giga(peaks.read_bytes_per_second),
            giga(peaks.copy_bytes_per_second),
            giga(peaks.f32_operations_per_second),
            peaks
                .f16_matrix_operations_per_second
                .map_or("-".to_owned(), giga),
            micro(peaks.dispatch_ns),
            micro(peaks.barrier_ns),
            micro(peaks.launch_ns),
            micro(peaks.round_trip_ns),
        ]);
    }
    Some(format!(
        "\nmeasured: GB/s of memory, GFLOP/s of f32 and of f16 matrices, microseconds\n{table}"
    ))
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let before = value.abs().log10().floor();
    let decimals = match before.is_finite() {
        true => (2.0 - before).clamp(0.0, 4.0) as usize,
        false => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let cases = [
            (0.0, "0"),
            (0.000_01, "0.0000"),
            (0.0123, "0.0123"),
            (1.0, "1.00"),
            (33.49, "33.5"),
            (234.9, "235"),
            (61_234.6, "61235"),
        ];
        for (value, text) in cases {
            assert_eq!(digits(value), text);
        }
    }
}
