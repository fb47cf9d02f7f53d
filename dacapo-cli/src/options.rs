//! Flags shared by commands, and the one place of this program that reads the environment.

use core::num::NonZeroUsize;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use dacapo::{Device, DeviceOptions, DeviceSelector, Hazards};
use dacapo_llm::PassOptions;
use tracing_subscriber::filter::LevelFilter;

use crate::error::{Error, Result};
use crate::model::Tuned;

/// Where to compute. The environment counts where a flag is absent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DeviceFlags {
    #[command(flatten)]
    which: WhichDevice,
    /// How dispatches are kept apart: auto, or serial, each after the one before [default: auto]
    #[arg(long, value_name = "HOW", value_parser = hazards)]
    hazards: Option<Hazards>,
}

/// Which device there is to be, and of how many threads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WhichDevice {
    /// Device to run on: best, cpu, vulkan, metal, reference, discrete, integrated, software, an
    /// index of `dacapo devices`, or part of a name
    #[arg(long, value_parser = device_selector)]
    device: Option<DeviceSelector>,
    /// Worker threads of the devices cpu and reference, 1 to 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..=1024))]
    threads: Option<u64>,
}

/// How forward passes reach the device. The text is the same whatever is chosen, but for what rounding decides.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Graphs")]
pub(crate) struct PassFlags {
    /// Encode every pass anew instead of planning it once and launching it again
    #[arg(long)]
    no_graph: bool,
    #[command(flatten)]
    plans: PlanFlags,
    /// Decode steps submitted before the token of the first is known, half of them to a submission [default: 2, on a GPU 4]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=PassOptions::MOST_IN_FLIGHT as u64))]
    in_flight: Option<usize>,
}

impl PassFlags {
    pub(crate) fn tuned(self) -> Tuned {
        self.plans.tuned()
    }

    /// The options that are usual, but for what was asked.
    pub(crate) fn options(self, usual: PassOptions) -> PassOptions {
        PassOptions {
            graph: !self.no_graph,
            in_flight: self.in_flight.unwrap_or(usual.in_flight),
            ..self.plans.options(usual)
        }
    }
}

impl PassFlags {
    /// What differs from the default, to follow other words.
    pub(crate) fn shown(self) -> String {
        let steps = self.in_flight.map(|steps| format!("{steps} in flight"));
        let flags = [
            (self.no_graph, "without graphs"),
            (self.plans.no_fuse, "not fused"),
            (self.plans.no_reorder, "in program order"),
            (self.plans.no_tuning, "not tuned"),
        ];
        let flags = flags.into_iter().filter(|(set, _)| *set);
        let words = flags.map(|(_, words)| words.to_owned()).chain(steps);
        words.map(|words| format!(", {words}")).collect()
    }
}

/// How passes are planned.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct PlanFlags {
    /// Fuse no operations
    #[arg(long)]
    no_fuse: bool,
    /// Keep operations in program order
    #[arg(long)]
    no_reorder: bool,
    /// Ignore what `dacapo tune` has found for the device
    #[arg(long)]
    no_tuning: bool,
}

impl PlanFlags {
    pub(crate) fn tuned(self) -> Tuned {
        Tuned(!self.no_tuning)
    }

    /// The options that are usual, but for what was asked.
    pub(crate) fn options(self, usual: PassOptions) -> PassOptions {
        PassOptions {
            fuse: !self.no_fuse,
            reorder: !self.no_reorder,
            ..usual
        }
    }
}

impl DeviceFlags {
    /// Opens the device that flags and environment choose.
    pub(crate) fn open(&self) -> Result<Device> {
        let mut options = self.which.options()?;
        if let Some(hazards) = self.hazards {
            options.hazards = hazards;
        }
        Ok(Device::open(&options)?)
    }

    /// Opens another device with the same flags.
    pub(crate) fn open_as(&self, device: DeviceSelector) -> Result<Device> {
        let which = WhichDevice {
            device: Some(device),
            ..self.which.clone()
        };
        let flags = DeviceFlags {
            which,
            ..self.clone()
        };
        flags.open()
    }
}

impl WhichDevice {
    /// What flags and environment say.
    pub(crate) fn options(&self) -> Result<DeviceOptions> {
        let mut options = DeviceOptions::default().with_env()?;
        if let Some(device) = &self.device {
            options.device = device.clone();
        }
        if let Some(threads) = self.threads {
            options.threads = usize::try_from(threads).ok().and_then(NonZeroUsize::new);
        }
        Ok(options)
    }

    /// Whether the flag chooses one.
    pub(crate) fn is_chosen(&self) -> bool {
        self.device.is_some()
    }
}

/// A count of tokens or repeats, at least 1.
pub(crate) fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// A temperature: finite and not below 0.
pub(crate) fn temperature(text: &str) -> Result<f32, String> {
    number(text, "a number from 0", |value| {
        value.is_finite() && value >= 0.0
    })
}

/// A share of a whole.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    number(text, "a number from 0 to 1", |value| {
        (0.0..=1.0).contains(&value)
    })
}

/// How far numbers may be apart, as a share.
pub(crate) fn tolerance(text: &str) -> Result<f64, String> {
    let value = text.parse().ok();
    let value = value.filter(|share| (0.0..=1.0).contains(share));
    value.ok_or_else(|| "allowed: a number from 0 to 1".to_owned())
}

fn number(text: &str, allowed: &str, fits: impl Fn(f32) -> bool) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value| fits(*value));
    value.ok_or_else(|| format!("allowed: {allowed}"))
}

/// Lets events of the libraries of at least the level in `DACAPO_LOG` through to standard error.
pub(crate) fn init_log() -> Result<()> {
    let level = log_level(std::env::var_os("DACAPO_LOG"))?;
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    Ok(())
}

/// Columns of the terminal that standard output goes to; 120 where it goes elsewhere.
pub(crate) fn columns() -> usize {
    let named = std::env::var("COLUMNS").ok();
    let named = named.and_then(|columns| columns.parse().ok());
    let seen = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    named.or_else(seen).unwrap_or(120)
}

/// Whether the user has nothing against colours (no-color.org).
pub(crate) fn allows_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The environment variable `name` as a path, unless it is absent or empty.
pub(crate) fn path_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// What the names of variables begin with that say how devices are opened and drivers behave.
const TOLD: [&str; 7] = [
    "DACAPO_",
    "VK_",
    "MTL_",
    "METAL_",
    "MESA_",
    "LP_",
    "RUST_BACKTRACE",
];

/// The variables of the environment that a report tells of.
pub(crate) fn told_variables() -> Vec<(String, String)> {
    let text = |it: OsString| it.to_string_lossy().into_owned();
    let all = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    all.filter(|(name, _)| TOLD.iter().any(|start| name.starts_with(start)))
        .collect()
}

/// The user's own folders, which belong into no report.
pub(crate) fn own_folders() -> Vec<String> {
    let folders = ["HOME", "USERPROFILE"]
        .into_iter()
        .filter_map(path_variable);
    folders
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

fn log_level(value: Option<OsString>) -> Result<LevelFilter> {
    let Some(value) = value else {
        return Ok(LevelFilter::WARN);
    };
    Ok(match value.to_str() {
        Some("off") => LevelFilter::OFF,
        Some("error") => LevelFilter::ERROR,
        Some("warn") => LevelFilter::WARN,
        Some("info") => LevelFilter::INFO,
        Some("debug") => LevelFilter::DEBUG,
        Some("trace") => LevelFilter::TRACE,
        _ => {
            return Err(Error::Environment {
                name: "DACAPO_LOG",
                value: value.to_string_lossy().into_owned(),
                allowed: "off, error, warn, info, debug, trace",
            });
        }
    })
}

/// Decoders place no barriers of their own, so `manual` would give other text.
fn hazards(text: &str) -> Result<Hazards, &'static str> {
    let parsed = text.parse().ok();
    parsed
        .filter(|hazards| *hazards != Hazards::Manual)
        .ok_or("allowed: auto, serial")
}

pub(crate) fn device_selector(text: &str) -> Result<DeviceSelector, &'static str> {
    match text.parse() {
        Ok(selector) if !text.is_empty() => Ok(selector),
        _ => Err(
            "allowed: best, cpu, vulkan, metal, reference, discrete, integrated, software, an index, or part of a name",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_within_what_they_mean() {
        assert_eq!(temperature("0.8"), Ok(0.8));
        assert_eq!(share("1"), Ok(1.0));
        for bad in ["-0.1", "nan", "inf", "", "1,5"] {
            assert!(temperature(bad).is_err() && share(bad).is_err(), "{bad}");
        }
        assert!(share("1.1").is_err());
    }

    #[test]
    fn log_levels_have_names() {
        assert_eq!(log_level(None).unwrap(), LevelFilter::WARN);
        assert_eq!(log_level(Some("debug".into())).unwrap(), LevelFilter::DEBUG);
        for bad in ["", "3", "DEBUG", "loud"] {
            let message = log_level(Some(bad.into())).unwrap_err().to_string();
            assert!(
                message.contains("DACAPO_LOG") && message.contains("trace"),
                "{message}"
            );
        }
    }
}
