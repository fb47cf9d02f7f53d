//! `dacapo tune`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use dacapo_llm::ModelFiles;
use dacapo_llm::tuning::{TuneOptions, TuningReport, tune};

use crate::cache;
use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::model::{self, Tuned};
use crate::options::{DeviceFlags, count};
use crate::output;
use crate::progress::Progress;
use crate::table::{Align, Table};

const AFTER_HELP: &str = "\
Runs the planned decode step again and again, each time with one kernel cut in \
another way, and keeps what makes the whole step faster by more than half a percent. \
What was found is kept in the cache folder, for this device and driver, beside what was \
found for other models, and used by all commands that run models, unless they are given \
--no-tuning. Another shape may add up sums in another order, so that logits differ in \
their last bits. Devices whose kernels have one shape only, such as cpu, have nothing \
to tune.";

/// Find the fastest kernel shapes for a model, and keep them
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Tune {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    model: Option<PathBuf>,
    /// Positions in the cache while steps are measured
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count())]
    context: usize,
    /// Try nothing new after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = RangedU64ValueParser::<u64>::new().range(1..=86_400))]
    limit: u64,
    /// Begin with the shapes that nobody has tuned, not with those found before
    #[arg(long)]
    no_tuning: bool,
    #[command(flatten)]
    device: DeviceFlags,
}

impl Tune {
    pub(crate) fn run(self) -> Result<Ending> {
        let path = cache::model_or_default(self.model.clone())?;
        let folder = cache::settings().ok_or(Error::NoSettingsFolder)?;
        let device = self.device.open()?;
        let files = ModelFiles::open(path)?;
        let model = model::load(&device, &files, Tuned(!self.no_tuning))?;
        let mut options = TuneOptions::default();
        options.context = self.context;
        options.limit = Duration::from_secs(self.limit);
        let bar = Progress::items("tuning", "knobs", 0);
        let report = tune(&model, &options, &mut |progress| {
            let what = format!(
                "{} to {} ({} a step so far, round {})",
                progress.name,
                progress.value,
                milliseconds(progress.best),
                progress.pass
            );
            bar.of(what, progress.done, progress.knobs);
        })?;
        drop(bar);
        // What was found for other models stays; of this one's, what it began without is gone.
        let mut settings = folder.load(device.info());
        settings.retain(|name, _| !report.knobs.contains(name));
        settings.extend(model.tuning().settings());
        let path = folder
            .store(device.info(), &settings)
            .map_err(|source| Error::Write {
                name: folder.0.display().to_string(),
                source,
            })?;
        let name = &device.info().name;
        output::print(format_args!("device   {name}\n{}", shown(&report)))?;
        output::print(format_args!("kept in  {}\n", path.display()))?;
        Ok(Ending::Complete)
    }
}

fn shown(report: &TuningReport) -> String {
    let (before, after) = (report.before, report.after);
    let gain = match before.is_zero() {
        true => 0.0,
        false => 100.0 * (1.0 - after.as_secs_f64() / before.as_secs_f64()),
    };
    let stopped = match report.complete {
        true => "",
        false => ", stopped by --limit",
    };
    let mut text = format!(
        "step     {} before, {} after ({gain:.1} % less)\ntried    {} settings of {} knobs in {:.1} s{stopped}; {} could not run\n",
        milliseconds(before),
        milliseconds(after),
        report.candidates,
        report.knobs.len(),
        report.seconds,
        report.failed,
    );
    if report.changes.is_empty() {
        return text;
    }
    let mut table = Table::new([
        ("knob", Align::Left),
        ("from", Align::Right),
        ("to", Align::Right),
        ("step before", Align::Right),
        ("step after", Align::Right),
    ]);
    for change in &report.changes {
        let [with, after] = change.step.map(milliseconds);
        let (from, to) = (change.from.to_string(), change.to.to_string());
        table.row([change.name.clone(), from, to, with, after]);
    }
    text.push_str(&format!("\n{table}\n"));
    text
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", 1e3 * time.as_secs_f64())
}
