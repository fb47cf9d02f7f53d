//! What the user asks for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::made::Dtype;
use crate::micro::Effort;
use crate::model::Peer;

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
    Model(Box<Model>),
    /// Write a model of a known shape with made weights into a GGUF file
    Make(Make),
    /// Answer `model` on standard input and output: dacapo as a contestant
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
pub struct Model {
    /// Models: GGUF files, or folders with config.json and safetensors files
    #[arg(value_name = "FILE", required_unless_present = "shape")]
    pub files: Vec<PathBuf>,
    /// Models of these shapes with made weights: llama-3.2-1b, qwen3-0.6b, llama-3.1-8b, tiny
    #[arg(long, value_name = "S", value_delimiter = ',', requires = "dtype")]
    pub shape: Vec<String>,
    /// The types of the made weights
    #[arg(long, value_name = "T", value_delimiter = ',')]
    pub dtype: Vec<Dtype>,
    /// A device as `micro` takes it; other engines run on the processor if it is `cpu`, or else on their GPU
    #[arg(long, value_name = "D", default_value = "cpu")]
    pub device: String,
    /// Threads of every contestant on the processor [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Tokens in the cache before what is measured
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "0,256,2048,8192"
    )]
    pub contexts: Vec<usize>,
    /// Tokens of the prompt that is put behind a context
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt: u32,
    /// Tokens that are decoded behind a context
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub generate: u32,
    /// Another engine: `llama[=FOLDER OF LIBRARIES]`, `torch[=PYTHON]`, `candle[=PROGRAM]`, or `NAME=COMMAND`
    #[arg(long, value_name = "NAME[=..]")]
    pub peer: Vec<Peer>,
    /// Rounds at each context, in which contestants take turns
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Tune dacapo's kernels for the model first
    #[arg(long)]
    pub tune: bool,
    /// Seconds after which a contestant that does not answer has failed
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Make {
    /// The file
    pub file: PathBuf,
    /// As `model` takes it
    #[arg(long, value_name = "S")]
    pub shape: String,
    #[arg(long, value_name = "T")]
    pub dtype: Dtype,
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

    #[test]
    fn models_are_files_or_shapes_with_types() {
        let parse = |text: &str| match Arguments::try_parse_from(text.split(' ')) {
            Ok(Arguments {
                command: Command::Model(model),
            }) => Ok(model),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let model =
            parse("dacapo-bench model a.gguf b --peer llama=/x --contexts 0,7").expect("files");
        assert_eq!((model.files.len(), model.peer.len()), (2, 1));
        assert_eq!(model.contexts, [0, 7]);
        let model =
            parse("dacapo-bench model --shape tiny,qwen3-0.6b --dtype q4_k,bf16").expect("shapes");
        assert_eq!(model.dtype, [Dtype::Q4K, Dtype::Bf16]);
        for (text, word) in [
            ("", "FILE"),
            (" --shape tiny", "--dtype"),
            (" --shape tiny --dtype q9", "q4_k"),
            (" a --peer other", "=COMMAND"),
            (" a --threads 0", "--threads"),
            (" a --generate 0", "--generate"),
        ] {
            let error = parse(&format!("dacapo-bench model{text}")).expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }
}
