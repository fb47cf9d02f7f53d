//! What a report says of the machine, the device and the settings.

use std::collections::BTreeMap;

use dacapo::Device;
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::report::Scrub;
use crate::run::Settings;

/// Where checks ran, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The version of dacapo.
    pub version: String,
    /// The revision that it was built from, if that was known.
    pub revision: Option<String>,
    /// Whether it was built with optimisations.
    pub optimised: bool,
    /// The operating system and its version.
    pub os: String,
    /// The version of its kernel.
    pub kernel: String,
    /// The processor's kind.
    pub arch: String,
    /// The processor's name.
    pub processor: String,
    /// Threads that the processor runs at a time.
    pub threads: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// The device, in its own words.
    pub device: BTreeMap<String, String>,
    /// The greatest values that it takes.
    pub limits: BTreeMap<String, String>,
    /// What kernels for GPUs can count on; none on a device that runs none.
    pub gpu: BTreeMap<String, String>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// What was asked for.
    pub settings: BTreeMap<String, String>,
}

macro_rules! fields {
    ($of:expr; $($field:ident)*) => {
        BTreeMap::from([$((stringify!($field).to_owned(), format!("{:?}", $of.$field)),)*])
    };
}

impl Machine {
    pub(crate) fn of(device: &Device, settings: &Settings, scrub: &Scrub) -> Machine {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what);
        let processor = system
            .cpus()
            .first()
            .map(|cpu| cpu.brand().trim().to_owned());
        let environment = settings.environment.iter();
        Machine {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: option_env!("DACAPO_REVISION").map(str::to_owned),
            optimised: !cfg!(debug_assertions),
            os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned()),
            kernel: System::kernel_version().unwrap_or_default(),
            arch: System::cpu_arch(),
            processor: processor.unwrap_or_default(),
            threads: std::thread::available_parallelism().map_or(0, usize::from),
            memory: system.total_memory(),
            device: described(device, scrub),
            limits: fields!(device.limits();
                max_bindings max_slot max_binding_bytes max_inline_bytes max_groups max_total_groups
                max_group_threads max_shared_bytes min_binding_alignment),
            gpu: match device.gpu() {
                Some(gpu) => fields!(gpu; subgroup_size f16 cooperative_matrix),
                None => BTreeMap::new(),
            },
            environment: environment
                .map(|(name, value)| (name.clone(), scrub.clean(value)))
                .collect(),
            settings: asked(settings),
        }
    }
}

fn described(device: &Device, scrub: &Scrub) -> BTreeMap<String, String> {
    let (info, budget) = (device.info(), device.memory_budget());
    let pairs = [
        ("index", info.index.to_string()),
        ("name", info.name.clone()),
        ("backend", info.backend.to_string()),
        ("kind", info.kind.to_string()),
        ("driver", info.driver.clone()),
        ("memory", info.memory.to_string()),
        ("budget", budget.budget.to_string()),
        ("compute_units", info.compute_units.to_string()),
        ("features", info.features.join(", ")),
    ];
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), scrub.clean(&value)))
        .collect()
}

fn asked(settings: &Settings) -> BTreeMap<String, String> {
    let groups: Vec<&str> = settings.groups.iter().map(|group| group.name()).collect();
    let model = settings.model.as_deref().and_then(|path| path.file_name());
    let pairs = [
        ("quick", settings.quick.to_string()),
        (
            "groups",
            match groups.is_empty() {
                true => "all".to_owned(),
                false => groups.join(", "),
            },
        ),
        (
            "model",
            model.map_or("none".to_owned(), |name| {
                name.to_string_lossy().into_owned()
            }),
        ),
        ("hazards", format!("{:?}", settings.device.hazards)),
    ];
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
