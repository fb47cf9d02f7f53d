//! Measures dacapo beside its peers: see `README.md`, and `--help` of each command.

mod args;
mod by_dacapo;
mod by_hand;
mod by_replay;
mod by_wgpu;
mod check;
mod made;
mod micro;
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

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dacapo-bench: {error}");
            ExitCode::FAILURE
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
        Command::Model(options) => model::run(&options),
        Command::Make(options) => made::save(&options.shape, options.dtype, &options.file),
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
