//! A model's hyperparameters, from GGUF metadata or from a Hugging Face `config.json`.

mod check;
mod error;
mod gguf;
mod huggingface;

pub use error::ConfigError;

use std::fmt;

use crate::gguf::GgufHeader;

/// The decoder architectures that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Architecture {
    /// Llama 1, 2 and 3, and models of the same shape such as SmolLM2.
    Llama,
    /// Qwen 2 and 2.5: Llama with biases on queries, keys and values.
    Qwen2,
    /// Qwen 3: Llama with a norm on every head's queries and keys.
    Qwen3,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 3] = [Self::Llama, Self::Qwen2, Self::Qwen3];

    /// The name in `general.architecture` of a GGUF file, which also leads its metadata keys.
    pub const fn gguf_name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// The name in `architectures` of a Hugging Face `config.json`.
    pub const fn huggingface_name(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.gguf_name())
    }
}

/// Which elements of a head rotate together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RopeLayout {
    /// Elements `2i` and `2i + 1`. GGUF files of Llama models have their query and key rows
    /// permuted for it.
    AdjacentPairs,
    /// Elements `i` and `i + dims / 2`: every other model.
    SplitHalves,
}

/// How rotary frequencies are stretched for contexts beyond the pretrained one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency is divided by `factor` (<https://arxiv.org/abs/2306.15595>).
    Linear {
        /// The divisor.
        factor: f32,
    },
    /// Llama 3.1's: long wavelengths are divided by `factor`, short ones are kept, those between
    /// are blended. GGUF files carry the outcome in `rope_freqs.weight` instead, see
    /// [`Weights::rope_freqs`](crate::Weights).
    Llama3 {
        /// The divisor of the lowest frequencies.
        factor: f32,
        /// Wavelengths above `original_context / low_freq_factor` are divided.
        low_freq_factor: f32,
        /// Wavelengths below `original_context / high_freq_factor` are kept.
        high_freq_factor: f32,
        /// The context length of pretraining, in tokens.
        original_context: usize,
    },
}

/// Rotary position embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeConfig {
    /// The base of the frequencies.
    pub theta: f32,
    /// Which elements rotate together.
    pub layout: RopeLayout,
    /// How many elements of a head rotate, from its start; even, at most the head's width.
    pub dims: usize,
    /// How frequencies are stretched.
    pub scaling: RopeScaling,
}

/// The hyperparameters of a decoder, checked.
///
/// Sizes are in elements and at least 1; `heads` is a multiple of `kv_heads`; `head_dim` is even
/// and at most 256, and need not be `width / heads`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The architecture.
    pub architecture: Architecture,
    /// The number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// The width of the residual stream.
    pub width: usize,
    /// The number of layers.
    pub layers: usize,
    /// The number of query heads of a layer.
    pub heads: usize,
    /// The number of key and value heads of a layer.
    pub kv_heads: usize,
    /// The width of a head.
    pub head_dim: usize,
    /// The width of the feed-forward part's inside.
    pub feed_forward: usize,
    /// The longest context that the model was made for, in tokens.
    pub context_length: usize,
    /// Added to the mean square in every RMS norm.
    pub rms_eps: f32,
    /// Rotary position embedding.
    pub rope: RopeConfig,
    /// Whether the token embedding is also the output matrix.
    pub tied_embeddings: bool,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether every head's queries and keys are normed before they rotate.
    pub qk_norm: bool,
}

impl ModelConfig {
    /// Reads the metadata of a GGUF file: `general.architecture`, and that architecture's own keys
    /// as in ggml's `docs/gguf.md`. Biases and tied embeddings, which have no key, show in the
    /// names of the tensors.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], naming the key, what was found and what is allowed.
    pub fn from_gguf(header: &GgufHeader) -> Result<Self, ConfigError> {
        gguf::read(header)?.check()
    }

    /// Reads a Hugging Face `config.json`, as `transformers` 4 and 5 write it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], naming the key, what was found and what is allowed.
    pub fn from_huggingface(json: &[u8]) -> Result<Self, ConfigError> {
        huggingface::read(json)?.check()
    }

    /// The width of all query heads of a layer together.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// The width of all key heads, or of all value heads, of a layer together.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}
