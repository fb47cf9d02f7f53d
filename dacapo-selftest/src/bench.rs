//! What a check works with.

use core::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dacapo::{Backend, Device, DeviceKind, DeviceOptions};
use serde::{Deserialize, Serialize};

/// A device for one check, and a place for what it finds out.
pub struct Bench {
    /// Opened for this check alone.
    pub device: Device,
    /// How it was opened.
    pub options: DeviceOptions,
    quick: bool,
    model: Option<PathBuf>,
    findings: Mutex<Findings>,
}

/// What checks find out besides whether something holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// How exact operations are.
    pub parity: Vec<Parity>,
    /// Measurements.
    pub figures: Vec<Figure>,
    /// Where the time of decode steps goes.
    pub kernels: Vec<KernelRow>,
}

/// How far an operation is from its f64 reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// The operation and its form.
    pub op: String,
    /// Cases that were compared.
    pub cases: usize,
    /// Elements that were compared.
    pub elements: usize,
    /// The greatest error, as a share of the one that is allowed.
    pub worst: f64,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The median.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// Of how many.
    pub samples: usize,
}

/// What one kernel takes of the time of a model's decode steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelRow {
    /// The model.
    pub model: String,
    /// The kernel.
    pub kernel: String,
    /// Dispatches.
    pub count: u64,
    /// Time that is its own, in milliseconds.
    pub attributed_ms: f64,
    /// The same as a share of all.
    pub share: f64,
    /// Median of a dispatch, in microseconds.
    pub median_us: f64,
    /// Bytes per nanosecond, where the kernel says how many it moves.
    pub gb_s: Option<f64>,
}

impl Bench {
    pub(crate) fn open(
        options: &DeviceOptions,
        quick: bool,
        model: Option<PathBuf>,
    ) -> dacapo::Result<Bench> {
        Ok(Bench {
            device: Device::open(options)?,
            options: options.clone(),
            quick,
            model,
            findings: Mutex::default(),
        })
    }

    /// Whether kernels are interpreted, which takes its time.
    pub fn is_interpreted(&self) -> bool {
        self.device.info().backend == Backend::Reference
    }

    /// Whether the device is the processor through native kernels.
    pub fn is_cpu(&self) -> bool {
        self.device.info().backend == Backend::Cpu
    }

    /// Whether less is to be done.
    pub fn is_quick(&self) -> bool {
        self.quick || self.is_interpreted()
    }

    /// Whether kernels of models take their time: as before, or on a driver that runs them on the processor.
    pub fn is_slow(&self) -> bool {
        self.is_quick() || self.device.info().kind == DeviceKind::SoftwareGpu
    }

    /// How often to do something: as a rule, or if less is to be done.
    pub fn times(&self, usual: u32, quick: u32) -> u32 {
        if self.is_quick() { quick } else { usual }
    }

    /// The model file that was given.
    pub fn model(&self) -> Option<&Path> {
        self.model.as_deref()
    }

    /// Opens one more device with the same options.
    ///
    /// # Errors
    /// Those of [`Device::open`].
    pub fn another(&self) -> dacapo::Result<Device> {
        Device::open(&self.options)
    }

    /// Keeps a measurement for the report.
    pub fn figure(&self, name: impl Into<String>, value: f64, unit: &str, samples: usize) {
        let (name, unit) = (name.into(), unit.to_owned());
        self.find(|findings| {
            findings.figures.push(Figure {
                name,
                value,
                unit,
                samples,
            });
        });
    }

    pub(crate) fn find(&self, add: impl FnOnce(&mut Findings)) {
        add(&mut self.findings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn take_findings(&self) -> Findings {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        core::mem::take(&mut findings)
    }
}

impl Findings {
    pub(crate) fn add(&mut self, more: Findings) {
        self.parity.extend(more.parity);
        self.figures.extend(more.figures);
        self.kernels.extend(more.kernels);
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bench({:?}, quick {})", self.device, self.quick)
    }
}
