//! `dacapo perplexity`.

use std::path::PathBuf;

use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::{Session, SessionOptions};
use dacapo_llm::perplexity::Likelihood;
use dacapo_llm::tokenizer::{AddSpecial, SpecialText};
use serde::Serialize;

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{DeviceFlags, PassFlags, count};
use crate::output;
use crate::progress::Progress;
use crate::{model, text};

const AFTER_HELP: &str = "\
The text is cut into windows of the model's context length, or of --context \
tokens, which do not overlap. Each begins with a start token where the model was \
trained with one. Every token that has another before it in its window is scored. \
Names of control tokens in the text are text.

JSON: tokens (scored), mean_nll (negative log-likelihood of a token in nats, on \
average) and perplexity (its exponential).";

/// Measure how well a model predicts a text
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, override_usage = "dacapo perplexity [OPTIONS] [MODEL] <TEXTFILE>")]
pub(crate) struct Perplexity {
    /// GGUF file or model folder [default: the model in the cache], and the text; - is standard input
    #[arg(value_names = ["MODEL", "TEXTFILE"], num_args = 1..=2, required = true)]
    paths: Vec<PathBuf>,
    /// Tokens of a window [default: the model's context length]
    #[arg(long, value_name = "N", value_parser = count())]
    context: Option<usize>,
    #[command(flatten)]
    device: DeviceFlags,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passes: PassFlags,
}

#[derive(Serialize)]
struct Report {
    tokens: usize,
    mean_nll: f64,
    perplexity: f64,
}

impl Perplexity {
    pub(crate) fn run(mut self) -> Result<Ending> {
        let file = self.paths.pop().unwrap_or_default();
        let path = model_or_default(self.paths.pop())?;
        let device = self.device.open()?;
        let text = text::read_file(&file)?;
        let files = ModelFiles::open(path)?;
        let tokenizer = files.tokenizer()?;
        let tokens = tokenizer.encode(&text, AddSpecial::Never, SpecialText::Literal)?;
        let start = tokenizer.bos().filter(|_| tokenizer.adds_bos());
        let all = tokens.len() + usize::from(start.is_some());
        if all < 2 {
            return Err(Error::TextTooShort {
                name: file.display().to_string(),
                tokens: tokens.len(),
            });
        }

        let model = model::load(&device, &files, self.passes.tuned())?;
        let mut options = SessionOptions::for_model(&model);
        options.passes = self.passes.options(options.passes);
        // A text that fits into a window needs no memory for more.
        options.capacity = self
            .context
            .unwrap_or(model.config().context_length)
            .min(all);
        let mut session = Session::new(&model, &options)?;
        let bar = Progress::items("scoring", "tokens", tokens.len());
        let likelihood = Likelihood::of(&mut session, &tokens, start, &mut |done| bar.set(done))?;
        drop(bar);

        let report = Report {
            tokens: likelihood.tokens,
            mean_nll: likelihood.mean_nll(),
            perplexity: likelihood.perplexity(),
        };
        match self.json {
            true => output::print_json(&report)?,
            false => output::print(format_args!(
                "perplexity {:.4} (mean negative log-likelihood {:.5} over {} tokens)\n",
                report.perplexity, report.mean_nll, report.tokens
            ))?,
        }
        Ok(Ending::Complete)
    }
}
