//! `dacapo profile`.

mod compare;
mod figures;
mod measure;
mod summary;
mod tables;

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dacapo::ProfileLevel;
use dacapo_llm::decoder::{Session, SessionOptions};
use dacapo_llm::tokenizer::{AddSpecial, SpecialText};
use dacapo_llm::{ModelFiles, PassOptions};
use dacapo_profile::{Analysis, Comparison, MAX_JSON_BYTES, Profile, ProfileError};

use crate::cache::{self, model_or_default};
use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{self, DeviceFlags, PassFlags, count};
use crate::output;
use crate::prompt::made_up;
use crate::text;
use measure::Workload;

const AFTER_HELP: &str = "\
A prompt goes into an empty cache, then tokens are decoded one by one. That is done \
twice: first only submissions are timed, then each dispatch. Timing dispatches keeps \
them from overlapping as they would; the report says how much slower that is.

The report begins with one screen on where the time of a decode step goes. Tables \
follow: by kind of operation, kernel and layer, the critical path, waits at barriers, \
and what the host did while the device was idle. Wider terminals get more columns.

Times of dispatches that overlap are shared out among them, so that all parts add up \
to the whole. docs/profile-schema.md says how, and what names a bound.

--compare looks at two saved profiles: of each time, by what factor it differs, with \
an interval of 95 % confidence. More tokens make it narrower.

Examples:
  dacapo profile --json before.json
  dacapo profile --no-fuse --json after.json
  dacapo profile --compare before.json after.json";

/// Show where the time of a model's decode steps goes
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ProfileCommand {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    model: Option<PathBuf>,
    /// Decode steps
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count())]
    tokens: usize,
    /// What to put into the context first, as it is
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_tokens")]
    prompt: Option<String>,
    /// Tokens of a prompt that is made up
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = count())]
    prompt_tokens: usize,
    /// How often to do all of it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count())]
    repeat: usize,
    /// What to time
    #[arg(long, value_enum, default_value_t = Level::Dispatches)]
    level: Level,
    /// Save the profile; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Save a trace that ui.perfetto.dev and chrome://tracing load; - is standard output
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Save a page that shows the profile, for a browser without a network; - is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Report on a saved profile instead of running a model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "compare"])]
    from: Option<PathBuf>,
    /// Compare two saved profiles instead of running a model
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with_all = ["model", "json", "trace", "html"])]
    compare: Option<Vec<PathBuf>>,
    #[command(flatten)]
    device: DeviceFlags,
    /// Tokens that the context may have [default: the model's own, at most 4096]
    #[arg(long, value_name = "N", value_parser = count())]
    context: Option<usize>,
    #[command(flatten)]
    passes: PassFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Submissions,
    Dispatches,
}

impl ProfileCommand {
    pub(crate) fn run(self) -> Result<Ending> {
        self.check()?;
        if let Some([a, b]) = self.compare.as_deref() {
            let comparison = Comparison::of(&read(a)?, &read(b)?);
            output::print(compare::shown(&comparison, [a, b], options::columns()))?;
            return Ok(Ending::Complete);
        }
        let profile = match &self.from {
            Some(path) => read(path)?,
            None => self.measure()?,
        };
        let analysis = Analysis::of(&profile);
        self.save(&profile, &analysis)?;
        if self.files().all(|path| !output::is_dash(path)) {
            let columns = options::columns();
            let summary = summary::shown(&profile, &analysis, columns);
            let tables = tables::shown(&profile, &analysis, columns);
            output::print(format_args!("{summary}{tables}"))?;
        }
        Ok(Ending::Complete)
    }

    /// The files that are to be written.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.json, &self.trace, &self.html].into_iter().flatten()
    }

    /// Only one thing can go to standard output.
    fn check(&self) -> Result<()> {
        let dashes = self.files().filter(|path| output::is_dash(path));
        match dashes.count() {
            0 | 1 => Ok(()),
            _ => Err(Error::Usage {
                command: "profile",
                message: "only one of --json -, --trace - and --html - at a time".to_owned(),
            }),
        }
    }

    fn save(&self, profile: &Profile, analysis: &Analysis) -> Result<()> {
        if let Some(path) = &self.json {
            let mut json = profile.to_json().map_err(unfit(path))?;
            json.push('\n');
            output::write_file(path, json.as_bytes())?;
        }
        if let Some(path) = &self.trace {
            output::write_with(path, |mut out| {
                dacapo_profile::write_trace_events(profile, &mut out)
            })?;
        }
        if let Some(path) = &self.html {
            let page = dacapo_profile::html(profile, analysis).map_err(unfit(path))?;
            output::write_file(path, page.as_bytes())?;
        }
        Ok(())
    }

    fn measure(&self) -> Result<Profile> {
        let path = model_or_default(self.model.clone())?;
        let device = self.device.open()?;
        let files = ModelFiles::open(path)?;
        let prompt = self.prompt(&files)?;
        let model = crate::model::load(&device, &files, self.passes.tuned())?;
        let mut options = SessionOptions::for_model(&model);
        // Each step is a submission of its own.
        options.passes = self.passes.options(PassOptions::default());
        options.capacity = self.context.unwrap_or(options.capacity);
        let vocabulary = model.config().vocab_size;
        let prompt = prompt.unwrap_or_else(|| made_up(self.prompt_tokens, vocabulary));
        let mut workload = Workload {
            device: &device,
            session: Session::new(&model, &options)?,
            prompt: &prompt,
            tokens: self.tokens,
            repeat: self.repeat,
        };
        let level = match self.level {
            Level::Submissions => ProfileLevel::Submissions,
            Level::Dispatches => ProfileLevel::Dispatches,
        };
        let mut profile = workload.profile(self.title(&files, prompt.len()), level)?;
        profile.peaks = cache::peaks().and_then(|peaks| peaks.load(device.info()));
        Ok(profile)
    }

    /// The tokens of `--prompt`.
    fn prompt(&self, files: &ModelFiles) -> Result<Option<Vec<u32>>> {
        let Some(text) = &self.prompt else {
            return Ok(None);
        };
        let tokenizer = files.tokenizer()?;
        let tokens = tokenizer.encode(text, AddSpecial::AsTrained, SpecialText::Parse)?;
        match tokens.is_empty() {
            true => Err(Error::EmptyPrompt),
            false => Ok(Some(tokens)),
        }
    }

    /// What makes two profiles comparable: the model, how much of it, and how its passes are planned.
    fn title(&self, files: &ModelFiles, prompt: usize) -> String {
        let model = files.path().file_name().unwrap_or(files.path().as_os_str());
        let model = model.to_string_lossy();
        let (steps, passes) = (self.tokens, self.passes.shown());
        format!("{model}: {steps} decode steps after {prompt} tokens{passes}")
    }
}

fn read(path: &Path) -> Result<Profile> {
    let name = path.display().to_string();
    let bytes = match File::open(path) {
        Ok(file) => text::bytes(file, &name, "file", MAX_JSON_BYTES as u64)?,
        Err(source) => return Err(Error::Read { name, source }),
    };
    Profile::from_json(&bytes).map_err(unfit(path))
}

/// What is wrong with the profile in a file.
fn unfit(path: &Path) -> impl FnOnce(ProfileError) -> Error {
    let name = path.display().to_string();
    |source| Error::Profile { name, source }
}
