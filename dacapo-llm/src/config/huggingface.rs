//! Hyperparameters from a Hugging Face `config.json`.

use serde_json::{Map, Value};

use super::check::{Keyed, Unchecked, UncheckedScaling};
use super::{Architecture, ConfigError, RopeLayout};
use crate::error::shortened;

pub(super) fn read(json: &[u8]) -> Result<Unchecked, ConfigError> {
    let root: Map<String, Value> = serde_json::from_slice(json)
        .map_err(|error| ConfigError::NotJson(shortened(&error.to_string())))?;
    let config = Object {
        prefix: "",
        values: &root,
    };
    let architecture = architecture(&config)?;
    let width = config.uint("hidden_size")?;
    let heads = config.uint("num_attention_heads")?;
    let kv_heads = config.optional_uint("num_key_value_heads")?;
    let head_dim = match (config.optional_uint("head_dim")?, architecture) {
        (Some(head_dim), _) => head_dim,
        // The default of its configuration class.
        (None, Architecture::Qwen3) => Keyed::new("head_dim", 128),
        (None, _) => Keyed::head_dim(&width, &heads)?,
    };
    let layers = config.uint("num_hidden_layers")?;
    let context_length = config.uint("max_position_embeddings")?;
    refuse_unsupported(&config, architecture)?;
    refuse_sliding_window(&config, &layers, &context_length)?;
    let rope = Rope::read(&config, &head_dim)?;
    Ok(Unchecked {
        architecture,
        vocab_size: config.uint("vocab_size")?,
        width,
        layers,
        kv_heads: kv_heads.unwrap_or_else(|| heads.clone()),
        heads,
        head_dim,
        feed_forward: config.uint("intermediate_size")?,
        context_length,
        rms_eps: config
            .optional_float("rms_norm_eps")?
            .unwrap_or_else(|| Keyed::new("rms_norm_eps", 1e-6)),
        rope_theta: rope.theta,
        rope_dims: rope.dims,
        rope_layout: RopeLayout::SplitHalves,
        rope_scaling: rope.scaling,
        tied_embeddings: config.bool("tie_word_embeddings")?.unwrap_or(false),
        qkv_bias: architecture == Architecture::Qwen2,
        qk_norm: architecture == Architecture::Qwen3,
    })
}

fn architecture(config: &Object<'_>) -> Result<Architecture, ConfigError> {
    const KEY: &str = "architectures";
    let Some(value) = config.get(KEY) else {
        let key = KEY.to_owned();
        return Err(ConfigError::Missing { key });
    };
    let Some([Value::String(found)]) = value.as_array().map(Vec::as_slice) else {
        return Err(config.not(KEY, value, "a list of one name"));
    };
    Architecture::ALL
        .into_iter()
        .find(|known| known.huggingface_name() == found)
        .ok_or_else(|| ConfigError::UnknownArchitecture {
            key: KEY,
            found: shortened(found),
        })
}

fn refuse_unsupported(config: &Object<'_>, architecture: Architecture) -> Result<(), ConfigError> {
    if let Some(value) = config.get("quantization_config") {
        let method = value.get("quant_method").unwrap_or(value);
        return Err(config.unsupported("quantization_config", method, "quantised safetensors"));
    }
    if let Some(value) = config.get("hidden_act")
        && value != "silu"
    {
        let feature = "an activation other than \"silu\"";
        return Err(config.unsupported("hidden_act", value, feature));
    }
    // Qwen2 ignores the key: its queries, keys and values always have biases, its output never.
    let biases = [
        ("attention_bias", architecture != Architecture::Qwen2),
        ("mlp_bias", architecture == Architecture::Llama),
    ];
    for (key, used) in biases {
        if used && config.bool(key)? == Some(true) {
            let feature = "a bias on an output projection";
            return Err(config.unsupported(key, &Value::Bool(true), feature));
        }
    }
    Ok(())
}

/// Refuses sliding windows that are shorter than the context in at least one layer, by the rules
/// of `transformers`' configuration classes.
fn refuse_sliding_window(
    config: &Object<'_>,
    layers: &Keyed<u64>,
    context_length: &Keyed<u64>,
) -> Result<(), ConfigError> {
    const WINDOW: &str = "sliding_window";
    const TYPES: &str = "layer_types";
    let window = config.optional_uint(WINDOW)?;
    let wide = |window: &Keyed<u64>| window.value >= context_length.value;
    let covers_context = window.as_ref().is_some_and(wide);
    let is_short = window.is_some() && !covers_context;
    let enabled = config.bool("use_sliding_window")? == Some(true);
    let window = config.get(WINDOW).unwrap_or(&Value::Null);
    if let Some(types) = config.get(TYPES) {
        let Some(types) = types.as_array() else {
            return Err(config.not(TYPES, types, "a list"));
        };
        for found in types {
            if found == "full_attention" || (found == "sliding_attention" && covers_context) {
                continue;
            }
            let feature = "anything but full attention in a layer";
            return Err(config.unsupported(TYPES, found, feature));
        }
    } else if enabled && is_short {
        let full_layers = config.optional_uint("max_window_layers")?;
        if full_layers.map_or(28, |full| full.value) < layers.value {
            return Err(config.unsupported(WINDOW, window, "sliding-window attention"));
        }
    }
    Ok(())
}

/// What a configuration says about rotary embedding: `rope_parameters` (transformers 5) or
/// `rope_scaling` beside `rope_theta` (transformers 4).
struct Rope {
    theta: Keyed<f64>,
    dims: Keyed<u64>,
    scaling: UncheckedScaling,
}

impl Rope {
    fn read(config: &Object<'_>, head_dim: &Keyed<u64>) -> Result<Self, ConfigError> {
        let parameters = match config.object("rope_parameters", "rope_parameters.")? {
            Some(parameters) => Some(parameters),
            None => config.object("rope_scaling", "rope_scaling.")?,
        };
        let empty = Map::new();
        let inner = parameters.unwrap_or(Object {
            prefix: "rope_parameters.",
            values: &empty,
        });
        let either = |key| match inner.optional_float(key)? {
            Some(value) => Ok(Some(value)),
            None => config.optional_float(key),
        };
        let theta = either("rope_theta")?.unwrap_or_else(|| Keyed::new("rope_theta", 10_000.0));
        let dims = match either("partial_rotary_factor")? {
            // Rounded down like `int()` in transformers; what does not fit is refused later.
            Some(part) => Keyed::new(
                format!("{} * {}", head_dim.key, part.key),
                (head_dim.value as f64 * part.value) as u64,
            ),
            None => head_dim.clone(),
        };
        let scaling = Self::scaling(&inner)?;
        Ok(Self {
            theta,
            dims,
            scaling,
        })
    }

    fn scaling(parameters: &Object<'_>) -> Result<UncheckedScaling, ConfigError> {
        if let Some((key, value)) = parameters.values.iter().find(|(_, v)| v.is_object()) {
            let feature = "rotary embedding that differs between layers";
            return Err(parameters.unsupported(key, value, feature));
        }
        let (key, value) = match parameters.get("rope_type") {
            Some(value) => ("rope_type", value),
            None => match parameters.get("type") {
                Some(value) => ("type", value),
                None => return Ok(UncheckedScaling::None),
            },
        };
        match value.as_str() {
            Some("default") => Ok(UncheckedScaling::None),
            Some("linear") => Ok(UncheckedScaling::Linear {
                factor: parameters.float("factor")?,
            }),
            Some("llama3") => Ok(UncheckedScaling::Llama3 {
                factor: parameters.float("factor")?,
                low_freq_factor: parameters.float("low_freq_factor")?,
                high_freq_factor: parameters.float("high_freq_factor")?,
                original_context: parameters.uint("original_max_position_embeddings")?,
            }),
            _ => Err(parameters.unsupported(
                key,
                value,
                "a scaling of rotary frequencies other than default, linear and llama3",
            )),
        }
    }
}

/// A JSON object whose keys are named in errors with `prefix` in front.
struct Object<'a> {
    prefix: &'static str,
    values: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The value of `key`; null counts as absent, as in transformers.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn not(&self, key: &str, found: &Value, allowed: &str) -> ConfigError {
        ConfigError::Value {
            key: shortened(&self.full(key)),
            found: shortened(&found.to_string()),
            allowed: allowed.to_owned(),
        }
    }

    fn unsupported(&self, key: &str, found: &Value, feature: &'static str) -> ConfigError {
        ConfigError::Unsupported {
            key: shortened(&self.full(key)),
            found: shortened(&found.to_string()),
            feature,
        }
    }

    fn typed<T>(
        &self,
        key: &str,
        allowed: &str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match convert(value) {
                Some(converted) => Ok(Some(converted)),
                None => Err(self.not(key, value, allowed)),
            },
        }
    }

    fn object(&self, key: &str, prefix: &'static str) -> Result<Option<Self>, ConfigError> {
        let values = self.typed(key, "an object", Value::as_object)?;
        Ok(values.map(|values| Self { prefix, values }))
    }

    fn bool(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    fn optional_uint(&self, key: &str) -> Result<Option<Keyed<u64>>, ConfigError> {
        let value = self.typed(key, "a non-negative integer", Value::as_u64)?;
        Ok(value.map(|value| Keyed::new(self.full(key), value)))
    }

    fn uint(&self, key: &str) -> Result<Keyed<u64>, ConfigError> {
        let missing = || ConfigError::Missing {
            key: self.full(key),
        };
        self.optional_uint(key)?.ok_or_else(missing)
    }

    fn optional_float(&self, key: &str) -> Result<Option<Keyed<f64>>, ConfigError> {
        let value = self.typed(key, "a number", Value::as_f64)?;
        Ok(value.map(|value| Keyed::new(self.full(key), value)))
    }

    fn float(&self, key: &str) -> Result<Keyed<f64>, ConfigError> {
        let missing = || ConfigError::Missing {
            key: self.full(key),
        };
        self.optional_float(key)?.ok_or_else(missing)
    }
}

#[cfg(test)]
#[path = "huggingface_tests.rs"]
mod tests;
