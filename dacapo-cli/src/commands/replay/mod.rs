//! `dacapo replay`.

mod compare;
mod fill;
pub(crate) mod load;
mod report;

use std::path::PathBuf;

use dacapo::{DeviceSelector, GraphFile};
use dacapo_llm::PassOptions;

use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{DeviceFlags, PlanFlags, count, device_selector, tolerance};
use crate::output;
use load::{How, Run};
use report::{Checked, Report};

const AFTER_HELP: &str = "\
Runs a capture file, as `dacapo graph --save` writes it, and shows what it took and \
a checksum (XXH3, 64 bits) of each buffer that it wrote. Buffers begin with their \
contents in the file, if it has them; others with zeros, or what --fill puts there. \
Each run goes on with what the one before has left.

A file comes from a stranger: its kernels are compiled with checks, and native \
kernels, which the CPU needs and which trust their arguments, do not run. With \
--trust, kernels run as they were captured, native ones too, and are fused.

With --verify, the same is done on a second device, and each buffer that was written \
is compared. Nothing is fused or moved then, so that all that was computed can be \
seen. Where bytes differ, they are taken for numbers, f16 or f32 as they look like, \
which may differ by the tolerance times the largest of the buffer; it is said for \
which. A buffer that differs by more ends the command with an error.

JSON: file, device, backend, nodes, dispatches, waves, stored, buffers_in_file, fill, \
times_us (of each run, on the device), buffers (index, label, bytes, checksum) and \
verified (device, tolerance, and for each buffer how it compares), if asked for.

Examples:
  dacapo graph --prompt 'Hello' --save step.dacapo --with-contents
  dacapo replay step.dacapo --device cpu --trust --times 10
  dacapo replay step.dacapo --device 0 --verify 1";

/// Run a capture file on any device, and compare devices
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Replay {
    /// Capture file
    file: PathBuf,
    /// How often to run it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count())]
    times: usize,
    /// Run the file's kernels without checks, and native ones: for files of somebody whose programs you would run
    #[arg(long)]
    trust: bool,
    /// Fill buffers of 64 bytes and more that have no contents in the file with numbers from -1 to 1, made from this seed;
    /// smaller ones hold token ids and positions, and begin with zeros
    #[arg(long, value_name = "SEED")]
    fill: Option<u64>,
    /// Run it on this device, too, and compare what was written
    #[arg(long, value_name = "DEVICE", value_parser = device_selector)]
    verify: Option<DeviceSelector>,
    /// How far numbers may differ, as a share of the largest in their buffer
    #[arg(long, value_name = "SHARE", default_value_t = 1e-3, requires = "verify", value_parser = tolerance)]
    tolerance: f64,
    #[command(flatten)]
    device: DeviceFlags,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    plans: PlanFlags,
}

impl Replay {
    pub(crate) fn run(self) -> Result<Ending> {
        let name = self.file.display().to_string();
        let bytes = std::fs::read(&self.file).map_err(|source| Error::Read {
            name: name.clone(),
            source,
        })?;
        let file = GraphFile::read(&bytes).map_err(|source| Error::Capture {
            name: name.clone(),
            source,
        })?;
        let how = How {
            trust: self.trust,
            fill: self.fill,
            passes: self.plans.options(PassOptions::default()),
            keep_all: self.verify.is_some(),
        };
        let run = Run::new(&file, &self.device.open()?, &how)?;
        let times = run.run(self.times)?;
        let mut report = Report::new(name, &file, &run, &how, &times)?;
        if let Some(selector) = self.verify {
            let other = Run::new(&file, &self.device.open_as(selector)?, &how)?;
            other.run(self.times)?;
            report.verified = Some(Checked::new(&run, &other, self.tolerance)?);
        }
        match self.json {
            true => output::print_json(&report)?,
            false => output::print(&report)?,
        }
        match report.verified.and_then(Checked::first_difference) {
            None => Ok(Ending::Complete),
            Some(difference) => Err(Error::Differs { difference }),
        }
    }
}
