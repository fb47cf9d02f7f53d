//! A model whose forward passes are checked.

use std::path::PathBuf;

use dacapo::Device;
use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::{Sampling, Session, SessionOptions};
use dacapo_llm::tokenizer::{AddSpecial, SpecialText};

use super::findings::Content;
use super::scalar::Scalar;
use crate::error::{Error, Result};
use crate::options::{PassFlags, count};
use crate::progress::Progress;
use crate::prompt::made_up;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Models")]
pub(super) struct ModelFlags {
    /// Check a model instead of a file: a GGUF file, or a folder with config.json and safetensors files
    #[arg(long, value_name = "PATH")]
    pub(super) model: Option<PathBuf>,
    /// Tokens to generate
    #[arg(long, value_name = "N", default_value_t = 2, conflicts_with = "file", value_parser = count())]
    tokens: usize,
    /// What to put into the context first, as it is
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "file",
        conflicts_with = "prompt_tokens"
    )]
    prompt: Option<String>,
    /// Tokens of a prompt that is made up
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "file", value_parser = count())]
    prompt_tokens: usize,
    /// Tokens that the context may have [default: as many as are needed]
    #[arg(long, value_name = "N", conflicts_with = "file", value_parser = count())]
    context: Option<usize>,
}

/// A model and how to run it.
pub(super) struct ModelRun {
    pub(super) name: String,
    files: ModelFiles,
    flags: ModelFlags,
    passes: PassFlags,
}

impl ModelRun {
    pub(super) fn new(path: PathBuf, flags: ModelFlags, passes: PassFlags) -> Result<ModelRun> {
        let files = ModelFiles::open(path)?;
        Ok(ModelRun {
            name: files.path().display().to_string(),
            files,
            flags,
            passes,
        })
    }

    /// Reads the prompt and generates; the tokens.
    pub(super) fn run(&self, device: &Device) -> Result<Vec<Content>> {
        let flags = &self.flags;
        let model = crate::model::load(device, &self.files, self.passes.tuned())?;
        let prompt = match &flags.prompt {
            None => made_up(flags.prompt_tokens, model.config().vocab_size),
            Some(text) => {
                let tokenizer = self.files.tokenizer()?;
                tokenizer.encode(text, AddSpecial::AsTrained, SpecialText::Parse)?
            }
        };
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let mut options = SessionOptions::for_model(&model);
        options.passes = self.passes.options(options.passes);
        let needed = prompt.len() + flags.tokens;
        options.capacity = flags.context.unwrap_or(options.capacity.min(needed));
        let mut session = Session::new(&model, &options)?;
        let bar = Progress::items("checking", "tokens", needed);
        session.push(&prompt, &mut |done| bar.set(done))?;
        let mut tokens = Vec::new();
        for done in 1..=flags.tokens {
            tokens.push(session.next_token(&Sampling::GREEDY)?);
            bar.set(prompt.len() + done);
        }
        Ok(vec![Content {
            name: "the list of tokens".to_owned(),
            slot: None,
            scalar: Scalar::U32,
            bytes: tokens.into_iter().flat_map(u32::to_le_bytes).collect(),
        }])
    }
}
