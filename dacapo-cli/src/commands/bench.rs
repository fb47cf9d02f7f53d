//! `dacapo bench`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::{Model, Sampling, Session, SessionOptions};
use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::Result;
use crate::options::{DeviceFlags, PassFlags, count};
use crate::output;
use crate::progress::Progress;
use crate::prompt::made_up;
use crate::stats;
use crate::table::{Align, Table, visible};

const AFTER_HELP: &str = "\
Each repeat puts a fixed prompt into an empty cache (prefill), then decodes \
greedily token by token. One repeat before them warms up and does not count, and \
on a GPU, whose clock falls in pauses, more of them for half a second. The \
interval goes from the slowest repeat to the fastest: of six repeats or more, it \
holds the true median with at least 95 % confidence.

JSON: prefill_tok_s and decode_tok_s, each with median, interval and the figures \
of all repeats, besides model, device and sizes.";

/// How long a GPU works without counting once its kernels are compiled.
const WARM_UP: Duration = Duration::from_millis(500);

/// Measure prefill and decode speed
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Bench {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    model: Option<PathBuf>,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = count())]
    prompt_tokens: usize,
    /// Tokens to decode
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = count())]
    gen_tokens: usize,
    /// How often to measure
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = count())]
    repeat: usize,
    #[command(flatten)]
    device: DeviceFlags,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passes: PassFlags,
}

#[derive(Serialize)]
struct Report {
    model: String,
    architecture: String,
    weight_bytes: u64,
    device: String,
    backend: String,
    threads: u32,
    prompt_tokens: usize,
    gen_tokens: usize,
    repeat: usize,
    prefill_tok_s: Figure,
    decode_tok_s: Figure,
}

/// What the repeats measured.
#[derive(Debug, PartialEq, Serialize)]
struct Figure {
    median: f64,
    interval: [f64; 2],
    repeats: Vec<f64>,
}

impl Bench {
    pub(crate) fn run(self) -> Result<Ending> {
        let path = model_or_default(self.model.clone())?;
        let device = self.device.open()?;
        let files = ModelFiles::open(path)?;
        let model = crate::model::load(&device, &files, self.passes.tuned())?;
        let (prefill, decode) = self.measure(&model)?;
        let info = device.info();
        let report = Report {
            model: files.path().display().to_string(),
            architecture: model.config().architecture.to_string(),
            weight_bytes: model.weight_bytes(),
            device: info.name.clone(),
            backend: info.backend.to_string(),
            threads: info.compute_units,
            prompt_tokens: self.prompt_tokens,
            gen_tokens: self.gen_tokens,
            repeat: self.repeat,
            prefill_tok_s: Figure::new(prefill),
            decode_tok_s: Figure::new(decode),
        };
        match self.json {
            true => output::print_json(&report)?,
            false => output::print(shown(&report))?,
        }
        Ok(Ending::Complete)
    }

    /// Tokens per second of each repeat, in prefill and in decode.
    fn measure(&self, model: &Model) -> Result<(Vec<f64>, Vec<f64>)> {
        let mut options = SessionOptions::for_model(model);
        options.passes = self.passes.options(options.passes);
        options.capacity = self.prompt_tokens.saturating_add(self.gen_tokens);
        let mut session = Session::new(model, &options)?;
        let prompt = made_up(self.prompt_tokens, model.config().vocab_size);
        let bar = Progress::items("measuring", "repeats", self.repeat);
        self.repeat_once(&mut session, &prompt)?;
        let compiled = Instant::now();
        while model.device().info().kind.is_gpu() && compiled.elapsed() < WARM_UP {
            self.repeat_once(&mut session, &prompt)?;
        }
        let (mut prefill, mut decode) = (Vec::new(), Vec::new());
        for done in 0..self.repeat {
            bar.set(done);
            let (prefill_tok_s, decode_tok_s) = self.repeat_once(&mut session, &prompt)?;
            prefill.push(prefill_tok_s);
            decode.push(decode_tok_s);
        }
        Ok((prefill, decode))
    }

    fn repeat_once(&self, session: &mut Session, prompt: &[u32]) -> Result<(f64, f64)> {
        let greedy = Sampling::GREEDY;
        session.clear();
        let started = Instant::now();
        session.push(prompt, &mut |_| {})?;
        let prefill = rate(prompt.len(), started);
        // The first token takes no forward pass of its own: it comes from the prompt's logits.
        session.next_token(&greedy)?;
        let started = Instant::now();
        for _ in 0..self.gen_tokens {
            session.next_token(&greedy)?;
        }
        Ok((prefill, rate(self.gen_tokens, started)))
    }
}

fn rate(tokens: usize, since: Instant) -> f64 {
    tokens as f64 / since.elapsed().as_secs_f64()
}

impl Figure {
    fn new(repeats: Vec<f64>) -> Figure {
        let mut sorted = repeats.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Figure {
            median,
            interval: [sorted[0], sorted[sorted.len() - 1]],
            repeats,
        }
    }
}

fn shown(report: &Report) -> String {
    let columns = [
        ("", Align::Left),
        ("tokens", Align::Right),
        ("tok/s", Align::Right),
        ("interval", Align::Right),
    ];
    let mut table = Table::new(columns);
    let phases = [
        ("prefill", report.prompt_tokens, &report.prefill_tok_s),
        ("decode", report.gen_tokens, &report.decode_tok_s),
    ];
    for (name, tokens, figure) in phases {
        let [low, high] = figure.interval;
        table.row([
            name.to_owned(),
            HumanCount(tokens as u64).to_string(),
            format!("{:.1}", figure.median),
            format!("{low:.1} to {high:.1}"),
        ]);
    }
    let heading = [
        (
            "model",
            format!("{} ({})", visible(&report.model), report.architecture),
        ),
        ("weights", BinaryBytes(report.weight_bytes).to_string()),
        (
            "device",
            format!(
                "{} ({}{})",
                report.device,
                report.backend,
                stats::units(&report.backend, report.threads)
            ),
        ),
        ("repeats", report.repeat.to_string()),
    ];
    let heading = heading.map(|(name, value)| format!("{name:<9}{value}\n"));
    format!("{}\n{table}", heading.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let figure = Figure::new(vec![5.0, 1.0, 3.0]);
        assert_eq!((figure.median, figure.interval), (3.0, [1.0, 5.0]));
        assert_eq!(figure.repeats, [5.0, 1.0, 3.0]);
        assert_eq!(Figure::new(vec![4.0, 1.0, 2.0, 9.0]).median, 3.0);
        assert_eq!(Figure::new(vec![7.0]).interval, [7.0, 7.0]);
    }
}
