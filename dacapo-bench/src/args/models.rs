//! What the user asks for about whole models.

use std::path::PathBuf;

use clap::Args;

use super::Output;
use crate::made::Dtype;
use crate::model::Peer;

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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

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
