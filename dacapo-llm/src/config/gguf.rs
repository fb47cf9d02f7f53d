//! Hyperparameters from GGUF metadata.

use super::check::{Keyed, Unchecked, UncheckedScaling};
use super::{Architecture, ConfigError, RopeLayout};
use crate::error::shortened;
use crate::gguf::{Array, GgufHeader, Value};

const ARCHITECTURE: &str = "general.architecture";

pub(super) fn read(header: &GgufHeader) -> Result<Unchecked, ConfigError> {
    let architecture = architecture(header)?;
    let keys = Keys {
        header,
        prefix: architecture.gguf_name(),
    };
    let width = keys.uint("embedding_length")?;
    let layers = keys.uint("block_count")?;
    let heads = keys.uniform("attention.head_count")?;
    let heads = heads.ok_or_else(|| keys.missing("attention.head_count"))?;
    let kv_heads = keys.uniform("attention.head_count_kv")?;
    let kv_heads = kv_heads.unwrap_or_else(|| heads.clone());
    let head_dim = match keys.optional_uint("attention.key_length")? {
        Some(head_dim) => head_dim,
        None => Keyed::head_dim(&width, &heads)?,
    };
    if let Some(value_dim) = keys.optional_uint("attention.value_length")?
        && value_dim.value != head_dim.value
    {
        return Err(value_dim.not(format!("{} as in {}", head_dim.value, head_dim.key)));
    }
    let feed_forward = keys.uniform("feed_forward_length")?;
    let feed_forward = feed_forward.ok_or_else(|| keys.missing("feed_forward_length"))?;
    let context_length = keys.uint("context_length")?;
    keys.refuse_unsupported(&context_length)?;
    let rope_dims = keys.optional_uint("rope.dimension_count")?;
    Ok(Unchecked {
        architecture,
        vocab_size: keys.vocab_size()?,
        width,
        layers,
        heads,
        kv_heads,
        feed_forward,
        context_length,
        rms_eps: keys.float("attention.layer_norm_rms_epsilon")?,
        rope_theta: keys
            .optional_float("rope.freq_base")?
            .unwrap_or_else(|| Keyed::new("rope.freq_base", 10_000.0)),
        rope_dims: rope_dims.unwrap_or_else(|| head_dim.clone()),
        head_dim,
        rope_layout: match architecture {
            Architecture::Llama => RopeLayout::AdjacentPairs,
            Architecture::Qwen2 | Architecture::Qwen3 => RopeLayout::SplitHalves,
        },
        rope_scaling: keys.rope_scaling()?,
        tied_embeddings: header.tensor("output.weight").is_none(),
        qkv_bias: architecture == Architecture::Qwen2
            || header.tensor("blk.0.attn_q.bias").is_some(),
        qk_norm: architecture == Architecture::Qwen3,
    })
}

fn architecture(header: &GgufHeader) -> Result<Architecture, ConfigError> {
    let Some(found) = header.metadata().str(ARCHITECTURE)? else {
        let key = ARCHITECTURE.to_owned();
        return Err(ConfigError::Missing { key });
    };
    Architecture::ALL
        .into_iter()
        .find(|known| known.gguf_name() == found)
        .ok_or_else(|| ConfigError::UnknownArchitecture {
            key: ARCHITECTURE,
            found: shortened(found),
        })
}

/// The keys of one architecture, named without its prefix.
struct Keys<'a> {
    header: &'a GgufHeader,
    prefix: &'static str,
}

impl Keys<'_> {
    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.prefix)
    }

    fn missing(&self, key: &str) -> ConfigError {
        let key = self.full(key);
        ConfigError::Missing { key }
    }

    fn optional_uint(&self, key: &str) -> Result<Option<Keyed<u64>>, ConfigError> {
        let key = self.full(key);
        let value = self.header.metadata().uint(&key)?;
        Ok(value.map(|value| Keyed { key, value }))
    }

    fn uint(&self, key: &str) -> Result<Keyed<u64>, ConfigError> {
        self.optional_uint(key)?.ok_or_else(|| self.missing(key))
    }

    fn optional_float(&self, key: &str) -> Result<Option<Keyed<f64>>, ConfigError> {
        let key = self.full(key);
        let value = self.header.metadata().float(&key)?;
        Ok(value.map(|value| Keyed { key, value }))
    }

    fn float(&self, key: &str) -> Result<Keyed<f64>, ConfigError> {
        self.optional_float(key)?.ok_or_else(|| self.missing(key))
    }

    /// A number that may also be stored per layer, if it is the same in all of them.
    fn uniform(&self, key: &str) -> Result<Option<Keyed<u64>>, ConfigError> {
        let full = self.full(key);
        let Some(Value::Array(array)) = self.header.metadata().get(&full) else {
            return self.optional_uint(key);
        };
        let values: Vec<u64> = match array {
            Array::U32(values) => values.iter().map(|&value| value.into()).collect(),
            Array::I32(values) => values
                .iter()
                .filter_map(|&value| value.try_into().ok())
                .collect(),
            _ => Vec::new(),
        };
        match values.first() {
            Some(&value) if values.len() == array.len() && values.iter().all(|v| *v == value) => {
                Ok(Some(Keyed { key: full, value }))
            }
            _ => Err(ConfigError::Value {
                key: full,
                found: format!(
                    "an array of {} {} values",
                    array.len(),
                    array.element_type()
                ),
                allowed: "one non-negative integer, or the same u32 or i32 for every layer".into(),
            }),
        }
    }

    /// The vocabulary's size: its own key, or the number of tokens, or the embedding's rows.
    fn vocab_size(&self) -> Result<Keyed<u64>, ConfigError> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        const EMBEDDING: &str = "token_embd.weight";
        if let Some(size) = self.optional_uint("vocab_size")? {
            return Ok(size);
        }
        if let Some(tokens) = self.header.metadata().strings(TOKENS)? {
            return Ok(Keyed::new(TOKENS, tokens.len() as u64));
        }
        match self.header.tensor(EMBEDDING).map(|tensor| tensor.dims()) {
            Some(&[_, rows]) => Ok(Keyed::new(EMBEDDING, rows)),
            _ => Err(self.missing("vocab_size")),
        }
    }

    fn rope_scaling(&self) -> Result<UncheckedScaling, ConfigError> {
        let key = self.full("rope.scaling.type");
        let factor = match self.optional_float("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            // The name of 2023.
            None => self.optional_float("rope.scale_linear")?,
        };
        match (self.header.metadata().str(&key)?, factor) {
            (Some("none"), _) | (None, None) => Ok(UncheckedScaling::None),
            (Some("linear") | None, Some(factor)) => Ok(UncheckedScaling::Linear { factor }),
            (Some("linear"), None) => Err(self.missing("rope.scaling.factor")),
            (Some(found), _) => Err(ConfigError::Unsupported {
                key,
                found: format!("{:?}", shortened(found)),
                feature: "a scaling of rotary frequencies other than none and linear",
            }),
        }
    }

    fn refuse_unsupported(&self, context_length: &Keyed<u64>) -> Result<(), ConfigError> {
        let refuse = |found: Keyed<u64>, feature| {
            Err(ConfigError::Unsupported {
                key: found.key,
                found: found.value.to_string(),
                feature,
            })
        };
        if let Some(window) = self.optional_uint("attention.sliding_window")?
            && (1..context_length.value).contains(&window.value)
        {
            return refuse(window, "sliding-window attention");
        }
        if let Some(experts) = self.optional_uint("expert_count")?
            && experts.value > 0
        {
            return refuse(experts, "a mixture of experts");
        }
        let split = "split.count";
        if let Some(parts) = self.header.metadata().uint(split)?
            && parts > 1
        {
            return refuse(Keyed::new(split, parts), "a model in several GGUF files");
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "gguf_tests.rs"]
mod tests;
