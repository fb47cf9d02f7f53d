//! What the tests over models share.
#![allow(clippy::print_stderr, reason = "says loudly what is not tested")]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses a part of it"
)]

mod cache;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use dacapo::reference::ReferenceOptions;
use dacapo::{Backend, Device, DeviceOptions, DeviceSelector};
use dacapo_llm::{Model, ModelFiles, Session, SessionOptions};
use serde::Deserialize;

pub use cache::default_model;

/// A file or folder under `tests/data`.
pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

pub fn cpu(threads: usize) -> Device {
    let threads = NonZeroUsize::new(threads);
    Device::open(&DeviceOptions {
        threads,
        ..DeviceOptions::cpu()
    })
    .unwrap()
}

/// The reference interpreter, which reports what is wrong with kernels and commands.
pub fn reference(options: ReferenceOptions) -> Device {
    Device::open(&DeviceOptions {
        device: DeviceSelector::Backend(Backend::Reference),
        reference: options,
        ..DeviceOptions::default().with_env().unwrap()
    })
    .unwrap()
}

/// Those of [`fast_devices`], the double that stands in for Metal off Apple's systems, and the reference interpreter,
/// with which whatever it reports fails the test.
pub fn devices() -> Vec<Device> {
    let mut devices = fast_devices();
    if cfg!(not(target_vendor = "apple")) {
        devices.extend(gpu(Backend::Metal));
    }
    devices.push(reference(
        DeviceOptions::default().with_env().unwrap().reference,
    ));
    devices
}

/// The processor with two threads, and the Vulkan and Metal devices if there are some.
pub fn fast_devices() -> Vec<Device> {
    let mut devices = vec![cpu(2)];
    devices.extend(gpu(Backend::Vulkan));
    if cfg!(target_vendor = "apple") {
        devices.extend(gpu(Backend::Metal));
    }
    devices
}

/// The device of a backend, if there is one and tests may use it.
pub fn gpu(backend: Backend) -> Option<Device> {
    let options = DeviceOptions {
        device: DeviceSelector::Backend(backend),
        ..DeviceOptions::default().with_env().unwrap()
    };
    dacapo_selftest::kit::gpu(backend, &options)
}

pub fn load(device: &Device, path: &Path) -> Model {
    Model::load(device, &ModelFiles::open(path).unwrap(), &mut |_| {}).unwrap()
}

pub fn session(model: &Model, capacity: usize, chunk: usize) -> Session {
    let options = SessionOptions {
        capacity,
        chunk,
        ..SessionOptions::for_model(model)
    };
    Session::new(model, &options).unwrap()
}

/// Ids and what a reference predicts for them; see `tests/data/README.md`.
#[derive(Deserialize)]
pub struct Reference {
    #[serde(default)]
    pub model: String,
    pub vocabulary: usize,
    pub prompt: Vec<u32>,
    /// What follows the prompt, one token a step.
    pub decode: Vec<u32>,
    /// The likeliest next id after each of the ids above.
    pub top1: Vec<u32>,
    /// How far its logit is above the second one.
    pub margin: Vec<f32>,
    pub logits: String,
    #[serde(default)]
    pub first_logits_position: usize,
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The index of the largest value, the first of equals.
pub fn argmax(values: &[f32]) -> u32 {
    let best = values
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (at, &value)| {
            if value > best.1 { (at, value) } else { best }
        });
    best.0 as u32
}

/// Natural-log probability of `id` under `logits`, in f64.
pub fn log_probability(logits: &[f32], id: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - most).exp())
        .sum();
    f64::from(logits[id as usize] - most) - sum.ln()
}
