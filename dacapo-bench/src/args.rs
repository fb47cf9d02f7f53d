//! What the user asks for.

#[cfg(feature = "models")]
mod models;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "models")]
pub use self::models::{Make, Model};
use crate::micro::Effort;

/// Measures dacapo beside its peers.
#[derive(Debug, Parser)]
#[command(name = "dacapo-bench")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What the runtime costs: encoding, hazards, planning, launches, round trips, memory, pipelines
    Micro(Micro),
    /// Decode and prefill of models beside other engines, by context and by size
    #[cfg(feature = "models")]
    Model(Box<Model>),
    /// Write a model of a known shape with made weights into a GGUF file
    #[cfg(feature = "models")]
    Make(Make),
    /// Answer `model` on standard input and output: dacapo as a contestant
    #[cfg(feature = "models")]
    #[command(hide = true)]
    Contestant,
    /// Compare ratios between measurements with a committed baseline; fails when one is out of bounds
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Micro {
    /// `cpu`, `vulkan`, `software`, an index, or part of a name; by hand and wgpu take part on Vulkan alone
    #[arg(long, value_name = "D", default_value = "vulkan")]
    pub device: String,
    /// Rounds of each measurement, in which contestants take turns
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Most dispatches and nodes
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10..))]
    pub most: u32,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Output {
    /// Write all figures into this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the charts into this folder
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// The ratios that are allowed
    pub baseline: PathBuf,
    /// A device as `micro` takes it
    #[arg(long, value_name = "D", default_value = "software")]
    pub device: String,
    /// A contestant who does not take part, for example wgpu in a build without it; ratios that need it are named
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// Judge a report of `micro --json` instead of measuring
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl Micro {
    pub fn effort(&self) -> Effort {
        Effort {
            rounds: self.rounds as usize,
            most: self.most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn bad_numbers_are_refused() {
        let parse = |text: &str| Arguments::try_parse_from(text.split(' '));
        assert!(parse("dacapo-bench micro --rounds 3 --device cpu").is_ok());
        for text in ["--rounds 0", "--rounds x", "--most 1", "--nothing"] {
            let error = parse(&format!("dacapo-bench micro {text}")).expect_err(text);
            let option = text.split(' ').next().expect("a word");
            assert!(error.to_string().contains(option), "{error}");
        }
        assert!(parse("dacapo-bench check").is_err());
    }
}
