//! `dacapo devices`.

use dacapo::{Device, DeviceInfo};
use indicatif::BinaryBytes;
use serde::Serialize;

use crate::commands::Ending;
use crate::error::Result;
use crate::output;
use crate::table::{Align, Table};

/// List the devices of this machine, the default one first
#[derive(Debug, clap::Args)]
#[command(after_help = "Any of index, backend or part of the name chooses a device for --device.")]
pub(crate) struct Devices {
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
    kind: String,
    memory_bytes: u64,
    compute_units: u32,
    features: Vec<&'static str>,
}

#[derive(Serialize)]
struct Absent {
    backend: String,
    reason: String,
}

impl Devices {
    pub(crate) fn run(self) -> Result<Ending> {
        let found = Device::enumerate();
        let absent = found.absent.into_iter().map(|absent| Absent {
            backend: absent.backend.to_string(),
            reason: absent.reason,
        });
        let listing = Listing {
            devices: found.devices.into_iter().map(entry).collect(),
            absent: absent.collect(),
        };
        match self.json {
            true => output::print_json(&listing)?,
            false => output::print(table(&listing))?,
        }
        Ok(Ending::Complete)
    }
}

fn entry(info: DeviceInfo) -> Entry {
    Entry {
        index: info.index,
        name: info.name,
        backend: info.backend.to_string(),
        kind: info.kind.to_string(),
        memory_bytes: info.memory,
        compute_units: info.compute_units,
        features: info.features,
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
            BinaryBytes(device.memory_bytes).to_string(),
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
