//! The shapes of known models, from `shapes.json`, which the adapters of peers read too.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::work::Result;

/// The sizes of a decoder, by the names that `config.json` has for them on Hugging Face.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    pub architecture: String,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub rope_theta: f32,
    pub rms_norm_eps: f32,
    pub max_position_embeddings: usize,
    pub tie_word_embeddings: bool,
}

impl Shape {
    /// The shape of this name.
    pub fn named(name: &str) -> Result<Shape> {
        let mut all = all()?;
        let allowed = || all.keys().cloned().collect::<Vec<_>>().join(", ");
        let unknown = format!("no shape {name}; there are {}", allowed());
        all.remove(name).ok_or_else(|| unknown.into())
    }
}

fn all() -> Result<BTreeMap<String, Shape>> {
    Ok(serde_json::from_str(include_str!("../../shapes.json"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_found_by_name() {
        let shape = Shape::named("qwen3-0.6b").expect("a shape");
        assert_eq!((shape.num_hidden_layers, shape.head_dim), (28, 128));
        let error = Shape::named("qwen9").expect_err("unknown").to_string();
        assert!(
            error.contains("qwen9") && error.contains("llama-3.1-8b"),
            "{error}"
        );
    }
}
