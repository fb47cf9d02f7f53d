//! `dacapo generate`.

use core::fmt;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;

use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::{DecoderError, Sampling, Session, SessionOptions};
use dacapo_llm::tokenizer::{SpecialOutput, Tokenizer};
use serde::Serialize;

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::options::{DeviceFlags, PassFlags, count, share, temperature};
use crate::output::{self, Output, tell};
use crate::progress::Progress;
use crate::prompt::PromptFlags;
use crate::stats::{self, Meter, Phase};
use crate::table::visible;

const AFTER_HELP: &str = "\
The prompt goes through the model's chat template where it has one, and as it is \
where it has none, unless --chat or --raw says which.

The text goes to standard output as it is generated. It ends where the model \
ends it, after --max-tokens, or when the context is full. Ctrl-C ends it early: \
the text so far and --stats are still printed, and the exit code is 130; a \
second Ctrl-C ends the program at once.

Examples:
  dacapo generate --prompt 'Why is the sky blue?'
  dacapo generate --prompt 'A poem, please' --temperature 0.8 --top-p 0.95
  echo 'Once upon a time' | dacapo generate --raw --max-tokens 100 --stats";

/// Generate text: an answer to the prompt, or its continuation
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Generate {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    prompt: PromptFlags,
    /// Most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = count())]
    max_tokens: usize,
    #[command(flatten)]
    device: DeviceFlags,
    /// Tokens that prompt and answer together may have [default: the model's own, at most 4096]
    #[arg(long, value_name = "N", value_parser = count())]
    context: Option<usize>,
    /// End with a table of tokens, times and device counters on standard error
    #[arg(long)]
    stats: bool,
    /// Print one JSON object with text, tokens and stats instead of the text
    #[arg(long)]
    json: bool,
    // Last, since flags after it would be listed under its heading.
    #[command(flatten)]
    sampling: SamplingFlags,
    #[command(flatten)]
    passes: PassFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sampling")]
struct SamplingFlags {
    /// How far to stray from the likeliest token, which 0 always takes
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f32,
    /// Sample from the K likeliest tokens only; 0 for all
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: u32,
    /// Sample from the likeliest tokens that together have probability P; 1 for all
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = share)]
    top_p: f32,
    /// Leave out tokens less likely than P times the likeliest; 0 for none
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    min_p: f32,
    /// Seed of the random numbers: the same seed gives the same text [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl SamplingFlags {
    fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            // The standard library seeds its hash maps from the system's randomness.
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(())),
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    #[serde(skip)]
    backend: dacapo::Backend,
    threads: u32,
    text: String,
    tokens: Vec<u32>,
    stop: Stop,
    /// Absent where nothing was left to chance.
    seed: Option<u64>,
    stats: Stats,
}

/// Tokens of `decode` count the one that ends the text; `total` has the loading in it.
#[derive(Serialize)]
struct Stats {
    load: Phase,
    prefill: Phase,
    decode: Phase,
    total: Phase,
}

/// Why the text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Stop {
    EndOfGeneration,
    MaxTokens,
    ContextFull,
    Interrupted,
}

impl Generate {
    pub(crate) fn run(self) -> Result<Ending> {
        let path = model_or_default(self.model.clone())?;
        let device = self.device.open()?;
        let text = self.prompt.text()?;

        let (total, load) = (Meter::start(&device), Meter::start(&device));
        let files = ModelFiles::open(path)?;
        let tokenizer = files.tokenizer()?;
        let prompt = self.prompt.tokens(text, &files, &tokenizer)?;
        let model = crate::model::load(&device, &files, self.passes.tuned())?;
        let mut options = SessionOptions::for_model(&model);
        options.passes = self.passes.options(options.passes);
        options.capacity = self.context.unwrap_or(options.capacity);
        let mut session = Session::new(&model, &options)?;
        let load = load.finish(0);

        let prefill = Meter::start(&device);
        let bar = Progress::items("reading the prompt", "tokens", prompt.len());
        session.push(&prompt, &mut |done| bar.set(done))?;
        drop(bar);
        let prefill = prefill.finish(prompt.len());

        let sampling = self.sampling.sampling();
        let decode = Meter::start(&device);
        let answer = self.answer(&mut session, &tokenizer, &sampling)?;
        let decode = decode.finish(answer.sampled);

        let total = total.finish(prompt.len() + answer.sampled);
        let stop = answer.stop;
        let report = Report {
            model: files.path().display().to_string(),
            device: device.info().name.clone(),
            backend: device.info().backend,
            threads: device.info().compute_units,
            text: answer.text,
            tokens: answer.tokens,
            stop,
            seed: (sampling.temperature > 0.0).then_some(sampling.seed),
            stats: Stats {
                load,
                prefill,
                decode,
                total,
            },
        };
        if self.json {
            output::print_json(&report)?;
        }
        if self.stats {
            tell_stats(&report);
        }
        Ok(match stop {
            Stop::Interrupted => Ending::Interrupted,
            _ => Ending::Complete,
        })
    }

    /// Generates until something ends it; without `--json`, prints the text on the way.
    fn answer(
        &self,
        session: &mut Session,
        tokenizer: &Tokenizer,
        sampling: &Sampling,
    ) -> Result<Answer> {
        // Until here there is no text to keep, and Ctrl-C may end the process as it always does.
        let interrupt = Interrupt::watch()?;
        let mut output = Output::new();
        let mut stream = tokenizer.decode_stream(SpecialOutput::Skip);
        let mut answer = Answer {
            text: String::new(),
            tokens: Vec::new(),
            sampled: 0,
            stop: Stop::MaxTokens,
        };
        let mut add = |text: &mut String, piece: String| {
            text.push_str(&piece);
            if self.json || piece.is_empty() {
                return Ok(());
            }
            output.write(piece)?;
            output.flush()
        };
        while answer.sampled < self.max_tokens {
            if interrupt.pressed() {
                answer.stop = Stop::Interrupted;
                break;
            }
            let token = match session.next_token(sampling) {
                Err(dacapo_llm::Error::Decoder(DecoderError::ContextFull { .. })) => {
                    answer.stop = Stop::ContextFull;
                    break;
                }
                token => token?,
            };
            answer.sampled += 1;
            if tokenizer.is_end_of_generation(token) {
                answer.stop = Stop::EndOfGeneration;
                break;
            }
            answer.tokens.push(token);
            add(&mut answer.text, stream.push(token)?)?;
        }
        add(&mut answer.text, stream.finish())?;
        if !self.json && !answer.text.ends_with('\n') {
            output.write("\n")?;
            output.flush()?;
        }
        Ok(answer)
    }
}

/// What was generated.
struct Answer {
    text: String,
    tokens: Vec<u32>,
    /// Tokens that were sampled: those of the text, and the one that ended it.
    sampled: usize,
    stop: Stop,
}

fn tell_stats(report: &Report) {
    let Stats {
        load,
        prefill,
        decode,
        total,
    } = &report.stats;
    let seed = report
        .seed
        .map(|seed| format!(", seed {seed}"))
        .unwrap_or_default();
    tell(format_args!("\nmodel   {}", visible(&report.model)));
    tell(format_args!(
        "device  {}{}",
        report.device,
        stats::units(report.backend, report.threads)
    ));
    tell(format_args!("ended   {}{seed}\n", report.stop));
    let phases = [
        ("load", load),
        ("prefill", prefill),
        ("decode", decode),
        ("total", total),
    ];
    tell(stats::table(phases).to_string().trim_end());
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::EndOfGeneration => "by the model",
            Stop::MaxTokens => "at --max-tokens",
            Stop::ContextFull => "at the end of the context",
            Stop::Interrupted => "by Ctrl-C",
        })
    }
}
