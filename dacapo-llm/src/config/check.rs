//! The checks that hold for every source of hyperparameters.

use super::{Architecture, ConfigError, ModelConfig, RopeConfig, RopeLayout, RopeScaling};

/// A value and the key under which it was found, for error messages.
#[derive(Debug, Clone)]
pub(super) struct Keyed<T> {
    pub(super) key: String,
    pub(super) value: T,
}

/// Hyperparameters as they were found.
#[derive(Debug)]
pub(super) struct Unchecked {
    pub(super) architecture: Architecture,
    pub(super) vocab_size: Keyed<u64>,
    pub(super) width: Keyed<u64>,
    pub(super) layers: Keyed<u64>,
    pub(super) heads: Keyed<u64>,
    pub(super) kv_heads: Keyed<u64>,
    pub(super) head_dim: Keyed<u64>,
    pub(super) feed_forward: Keyed<u64>,
    pub(super) context_length: Keyed<u64>,
    pub(super) rms_eps: Keyed<f64>,
    pub(super) rope_theta: Keyed<f64>,
    pub(super) rope_dims: Keyed<u64>,
    pub(super) rope_layout: RopeLayout,
    pub(super) rope_scaling: UncheckedScaling,
    pub(super) tied_embeddings: bool,
    pub(super) qkv_bias: bool,
    pub(super) qk_norm: bool,
}

/// A scaling of rotary frequencies as it was found.
#[derive(Debug)]
pub(super) enum UncheckedScaling {
    None,
    Linear {
        factor: Keyed<f64>,
    },
    Llama3 {
        factor: Keyed<f64>,
        low_freq_factor: Keyed<f64>,
        high_freq_factor: Keyed<f64>,
        original_context: Keyed<u64>,
    },
}

/// Upper bounds: some sixteen times what the largest models have, so that products of sizes stay
/// far from overflow and hostile files cannot ask for absurd amounts of work.
const MAX_VOCAB: u64 = 1 << 22;
const MAX_WIDTH: u64 = 1 << 18;
const MAX_LAYERS: u64 = 1 << 10;
const MAX_HEADS: u64 = 1 << 11;
const MAX_HEAD_DIM: u64 = 256;
const MAX_FEED_FORWARD: u64 = 1 << 20;
const MAX_CONTEXT: u64 = 1 << 28;

impl Unchecked {
    pub(super) fn check(self) -> Result<ModelConfig, ConfigError> {
        let heads = self.heads.size(MAX_HEADS)?;
        let kv_heads = self.kv_heads.size(MAX_HEADS)?;
        if !heads.is_multiple_of(kv_heads) {
            let key = &self.heads.key;
            return Err(self.kv_heads.not(format!("a divisor of {key} ({heads})")));
        }
        let width = self.width.size(MAX_WIDTH)?;
        let head_dim = self.head_dim.even(MAX_HEAD_DIM)?;
        Ok(ModelConfig {
            architecture: self.architecture,
            vocab_size: self.vocab_size.size(MAX_VOCAB)?,
            width,
            layers: self.layers.size(MAX_LAYERS)?,
            heads,
            kv_heads,
            head_dim,
            feed_forward: self.feed_forward.size(MAX_FEED_FORWARD)?,
            context_length: self.context_length.size(MAX_CONTEXT)?,
            rms_eps: self.rms_eps.within(1e-20, 0.1)?,
            rope: RopeConfig {
                theta: self.rope_theta.within(1.0, 1e12)?,
                layout: self.rope_layout,
                dims: self.rope_dims.even(head_dim as u64)?,
                scaling: self.rope_scaling.check()?,
            },
            tied_embeddings: self.tied_embeddings,
            qkv_bias: self.qkv_bias,
            qk_norm: self.qk_norm,
        })
    }
}

impl UncheckedScaling {
    fn check(self) -> Result<RopeScaling, ConfigError> {
        const FACTORS: (f64, f64) = (1e-3, 1e6);
        let (low, high) = FACTORS;
        Ok(match self {
            Self::None => RopeScaling::None,
            Self::Linear { factor } => RopeScaling::Linear {
                factor: factor.within(low, high)?,
            },
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_context,
            } => {
                if high_freq_factor.value <= low_freq_factor.value {
                    let allowed = format!(
                        "a number above {} ({})",
                        low_freq_factor.key, low_freq_factor.value
                    );
                    return Err(high_freq_factor.not(allowed));
                }
                RopeScaling::Llama3 {
                    factor: factor.within(low, high)?,
                    low_freq_factor: low_freq_factor.within(low, high)?,
                    high_freq_factor: high_freq_factor.within(low, high)?,
                    original_context: original_context.size(MAX_CONTEXT)?,
                }
            }
        })
    }
}

impl<T: std::fmt::Display> Keyed<T> {
    pub(super) fn new(key: impl Into<String>, value: T) -> Self {
        let key = key.into();
        Self { key, value }
    }

    /// The error that the value is something else than `allowed`.
    pub(super) fn not(&self, allowed: impl Into<String>) -> ConfigError {
        ConfigError::Value {
            key: self.key.clone(),
            found: self.value.to_string(),
            allowed: allowed.into(),
        }
    }
}

impl Keyed<u64> {
    /// The width of a head where no key states it.
    pub(super) fn head_dim(width: &Self, heads: &Self) -> Result<Self, ConfigError> {
        match width.value.checked_div(heads.value) {
            Some(value) if width.value.is_multiple_of(heads.value) => {
                let key = format!("{} / {}", width.key, heads.key);
                Ok(Self { key, value })
            }
            _ => Err(heads.not(format!("a divisor of {} ({})", width.key, width.value))),
        }
    }

    fn size(&self, max: u64) -> Result<usize, ConfigError> {
        match usize::try_from(self.value) {
            Ok(size) if (1..=max).contains(&self.value) => Ok(size),
            _ => Err(self.not(format!("1 to {max}"))),
        }
    }

    fn even(&self, max: u64) -> Result<usize, ConfigError> {
        match self.size(max) {
            Ok(size) if size.is_multiple_of(2) => Ok(size),
            _ => Err(self.not(format!("an even number from 2 to {max}"))),
        }
    }
}

impl Keyed<f64> {
    fn within(&self, min: f64, max: f64) -> Result<f32, ConfigError> {
        if !(min..=max).contains(&self.value) {
            return Err(self.not(format!("a number from {min:e} to {max:e}")));
        }
        Ok(self.value as f32)
    }
}
