use crate::config::RopeConfig;
use crate::gguf::GgmlType;

/// Why a model cannot be loaded, or a session cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DecoderError {
    /// A weight has a type that no kernel takes and the loader cannot convert.
    #[error("tensor {name:?} has type {found}; allowed: {allowed}")]
    WeightType {
        /// The tensor's name in its file.
        name: String,
        /// Its type.
        found: GgmlType,
        /// What it may be.
        allowed: &'static str,
    },
    /// The cache has no room.
    #[error(
        "the context is full: {position} of {capacity} positions are taken and {asked} more were asked for"
    )]
    ContextFull {
        /// Positions taken.
        position: usize,
        /// Positions of the cache.
        capacity: usize,
        /// Positions asked for.
        asked: usize,
    },
    /// A token id is outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocabulary}")]
    Token {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// Sampling or reading logits before any token was pushed.
    #[error("the session has seen no token yet; push at least one first")]
    Empty,
    /// The rotary frequencies cannot be computed.
    #[error(
        "{config:?} gives no rotary frequencies; parameters and factors must be finite and above 0, with a factor for each pair or none"
    )]
    Rope {
        /// The model's rotary parameters.
        config: RopeConfig,
    },
    /// A session option is out of bounds.
    #[error("{option} is {found}; allowed: {allowed}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What was asked for.
        found: usize,
        /// What it may be.
        allowed: String,
    },
    /// An operation refused its tensors.
    #[error(transparent)]
    Op(#[from] dacapo_ops::Error),
    /// The runtime refused, or a submission failed.
    #[error(transparent)]
    Runtime(#[from] dacapo::Error),
    /// Memory for a tensor was refused.
    #[error(transparent)]
    Tensor(#[from] dacapo_ops::tensor::TensorError),
}
