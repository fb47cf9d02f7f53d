//! Finding the shapes of kernels with which a device runs a model's decode steps fastest.
//!
//! Every candidate runs inside the whole planned step: kernels that are fastest alone need not be so in their chain.
//! [`tune`] leaves the best settings in the model's [`Tuning`]; they are plain data
//! ([`Tuning::settings`]), to be kept and given to [`Tuning::apply`] after the next [`Model::load`](crate::Model::load).
//! Other shapes may add sums in another order, so logits may differ in their last bits.
//!
//! ```no_run
//! use dacapo::{Device, DeviceOptions};
//! use dacapo_llm::tuning::{TuneOptions, tune};
//! use dacapo_llm::{Model, ModelFiles};
//!
//! let device = Device::open(&DeviceOptions::default())?;
//! let model = Model::load(&device, &ModelFiles::open("model.gguf")?, &mut |_| {})?;
//! let report = tune(&model, &TuneOptions::default(), &mut |_| {})?;
//! println!("{:?} instead of {:?} a step", report.after, report.before);
//! let settings = model.tuning().settings();
//! model.tuning().apply(settings);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use dacapo_ops::tuning::{Key, Knob, Settings, Tuning};

pub use crate::decoder::tune::{Change, TuneOptions, TuneProgress, TuningReport, tune};
