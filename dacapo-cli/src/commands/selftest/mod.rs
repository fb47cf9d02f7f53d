//! `dacapo selftest`.

mod tables;

use core::time::Duration;
use std::path::{Path, PathBuf};

use dacapo_selftest::{Group, Report, SelfTest, Settings};

use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{self, WhichDevice};
use crate::output;
use crate::progress::Progress;

const AFTER_HELP: &str = "\
Checks dacapo on this machine, without a model file and without a network: how the \
runtime behaves, operations against references in f64, tokens of tiny models against \
the CPU device, and how fast all of that is. A check that panics or does not end is a \
failed one, and the others go on. It takes about a minute.

The report has everything that a maintainer wants to know, and neither names of \
people nor paths of their folders. It is Markdown, or JSON if the file's name ends in \
.json; - is standard output, in place of the text. It is written again before each \
check, so that it also tells of one that brings the program down.

Groups: encoder, hazards, host-access, pools, residency, graphs, executables, \
random, submissions, profiles, faults, counters, ops, decode, speed. \
docs/selftest.md tells what is in them.

Exit codes: 0 nothing failed, 1 something failed, 2 wrong usage.

Examples:
  dacapo selftest
  dacapo selftest --device vulkan --quick
  dacapo selftest --only ops,decode --model model.gguf --report mine.json";

/// Check dacapo on this machine and write a report on it
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Selftest {
    #[command(flatten)]
    which: WhichDevice,
    /// Where to write the report; - is standard output
    #[arg(long, value_name = "FILE", default_value = "dacapo-selftest.md")]
    report: PathBuf,
    /// Model to decode with as well: a GGUF file, or a folder with safetensors files
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Run these groups alone
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<Group>,
    /// Run fewer random programs and measure for a shorter time
    #[arg(long)]
    quick: bool,
    /// Seconds that a check may take; those of random, decode and speed three times as many
    #[arg(long, value_name = "SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=3600))]
    limit: u64,
}

impl Selftest {
    pub(crate) fn run(self) -> Result<Ending> {
        if let Some(model) = &self.model {
            // What is wrong with it is said before anything runs.
            dacapo_llm::ModelFiles::open(model)?;
        }
        let selftest = SelfTest::new(Settings {
            device: self.which.options()?,
            groups: self.only.clone(),
            quick: self.quick,
            model: self.model.clone(),
            limit: Duration::from_secs(self.limit),
            environment: options::told_variables(),
            private: options::own_folders(),
        })?;
        let to_stdout = output::is_dash(&self.report);
        if !to_stdout {
            write(&self.report, selftest.report())?;
        }
        let bar = Progress::items("checking", "checks", selftest.len());
        let report = selftest.run(&mut |report| {
            if let Some(running) = &report.running {
                bar.at(running.clone(), report.records.len());
            }
            if !to_stdout {
                // The last one counts, and says why if it cannot be written.
                let _ = write(&self.report, report);
            }
        });
        drop(bar);
        write(&self.report, &report)?;
        if !to_stdout {
            output::print(tables::shown(&report, &self.report, options::columns()))?;
        }
        Ok(match report.failed().next() {
            None => Ending::Complete,
            Some(_) => Ending::Found,
        })
    }
}

fn write(path: &Path, report: &Report) -> Result<()> {
    let is_json = path.extension().is_some_and(|end| end == "json");
    let text = match is_json {
        true => report.to_json(),
        false => report.to_markdown(),
    };
    let text = text.map_err(|error| Error::Write {
        name: path.display().to_string(),
        source: error.into(),
    })?;
    output::write_file(path, text.as_bytes())
}
