//! What can be wrong with a model's hyperparameters.

use super::Architecture;
use crate::gguf::GgufError;

/// Why a model's hyperparameters were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `config.json` is not JSON, or not an object.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// A metadata value of a GGUF file has the wrong type.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A value that every model needs is absent.
    #[error("{key} is missing")]
    Missing {
        /// The key.
        key: String,
    },
    /// A value has the wrong type or lies out of bounds.
    #[error("{key} is {found}, allowed is {allowed}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// The architecture is not known.
    #[error(
        "{key} is {found:?}, which is not supported; known architectures: {}",
        known()
    )]
    UnknownArchitecture {
        /// The key.
        key: &'static str,
        /// The architecture that the file states.
        found: String,
    },
    /// The model needs something that is not supported.
    #[error("{key} is {found}: {feature} is not supported")]
    Unsupported {
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// What it asks for.
        feature: &'static str,
    },
}

fn known() -> String {
    let names: Vec<_> = Architecture::ALL
        .iter()
        .map(|known| format!("{} ({})", known.gguf_name(), known.huggingface_name()))
        .collect();
    names.join(", ")
}
