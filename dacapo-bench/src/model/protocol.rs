//! What the bench and a contestant say to each other: one line of JSON each, on the contestant's standard input and output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::made::Dtype;

/// What the bench asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Load(Load),
    Measure(Measure),
    Quit,
}

/// Get a model ready; answered with [`Loaded`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The model's file, if it has one.
    pub file: Option<PathBuf>,
    /// The shape and the type of made weights.
    pub shape: Option<(String, Dtype)>,
    /// `cpu`, or what else the user said.
    pub device: String,
    pub threads: usize,
    /// Positions that the cache must hold.
    pub capacity: usize,
    /// Find the best shapes of kernels first, if the engine can.
    pub tune: bool,
}

/// Once from an empty cache: `context` tokens, but at least one, then `generate` tokens one by one, then `prompt` tokens
/// at once. At a context of 0 the cache is emptied again before the last. Answered with [`Times`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measure {
    pub context: usize,
    pub prompt: usize,
    pub generate: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Loaded {
    /// Name and version.
    pub engine: String,
    /// How it is set up.
    pub settings: String,
    /// From nothing to ready, the making of weights excluded.
    pub seconds: f64,
}

/// Seconds of each part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The `context` tokens.
    pub fill: f64,
    /// All `generate` tokens.
    pub decode: f64,
    /// The `prompt` tokens; nothing from an engine that takes prompts into an empty cache alone.
    pub prefill: Option<f64>,
}

/// The answer to [`Ask::Measure`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    Measured(Measured),
    /// The engine has a limit of its own, which is no failure.
    Cannot {
        cannot: String,
    },
}

/// The answer to [`Ask::Quit`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Done {
    /// The most bytes that it held on a GPU, if it knows.
    pub device_bytes: Option<u64>,
}

/// The answer to anything that did not work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failed {
    pub error: String,
}
