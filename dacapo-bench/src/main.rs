//! Measures dacapo beside its peers: see `README.md`, and `--help` of each command.

mod args;
mod by_dacapo;
mod by_hand;
mod by_replay;
#[cfg(feature = "wgpu")]
mod by_wgpu;
mod check;
#[cfg(feature = "models")]
mod made;
mod micro;
#[cfg(feature = "models")]
mod model;
mod plot;
mod report;
mod stats;
mod work;

use std::path::Path;
use std::process::ExitCode;

use args::{Command, Output};
use clap::Parser;
use report::Report;
use work::Result;

/// The exit code where there is no such device, by which scripts tell a check that was skipped from one that failed.
const NO_DEVICE: u8 = 77;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dacapo-bench: {error}");
            match error.downcast_ref() {
                Some(dacapo::Error::NoDevice { .. }) => ExitCode::from(NO_DEVICE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run() -> Result<()> {
    match args::Arguments::parse().command {
        Command::Micro(options) => {
            let device = work::open(&options.device)?;
            let report = micro::measure(&device, &options.effort())?;
            put(&report, &options.output)
        }
        #[cfg(feature = "models")]
        Command::Model(options) => model::run(&options),
        #[cfg(feature = "models")]
        Command::Make(options) => made::save(&options.shape, options.dtype, &options.file),
        #[cfg(feature = "models")]
        Command::Contestant => model::serve(),
        Command::Check(options) => check::run(&options),
    }
}

/// Prints, and writes what else was asked for.
fn put(report: &Report, output: &Output) -> Result<()> {
    print!("{report}");
    if let Some(path) = &output.json {
        write(path, &serde_json::to_string_pretty(report)?)?;
    }
    if let Some(folder) = &output.svg {
        plot::save(&report.charts, folder)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}
