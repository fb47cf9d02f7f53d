//! A folder written by the Python package `safetensors`, with a model in two shards.

use std::path::Path;

use dacapo_llm::ModelFiles;
use dacapo_llm::config::{Architecture, RopeLayout, RopeScaling};
use dacapo_llm::gguf::GgmlType;

#[test]
fn a_model_in_two_shards_has_all_its_weights() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny-qwen3-hf");
    let model = ModelFiles::open(path).unwrap();
    let config = model.config();
    assert_eq!(config.architecture, Architecture::Qwen3);
    assert_eq!(
        (config.width, config.layers, config.vocab_size),
        (16, 2, 10)
    );
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (2, 1, 12));
    assert_eq!(
        (config.rope.theta, config.rope.layout),
        (1e6, RopeLayout::SplitHalves)
    );
    assert_eq!(config.rope.scaling, RopeScaling::None);
    assert!(config.tied_embeddings && config.qk_norm && !config.qkv_bias);
    assert!(model.gguf().is_none());

    let weights = model.weights();
    assert_eq!(weights.iter().count(), 1 + 2 * 11 + 1);
    // Every element is the number of the tensor in its shard, as the script counts them.
    let value = |weight| {
        let (elements, rest) = model.bytes(weight).as_chunks::<2>();
        assert!(rest.is_empty());
        let value = half::f16::from_le_bytes(elements[0]);
        assert!(elements.iter().all(|element| *element == elements[0]));
        (weight.file, value.to_f32())
    };
    assert_eq!(value(&weights.token_embd), (0, 0.0));
    assert_eq!(value(&weights.layers[0].attn_norm), (0, 1.0));
    assert_eq!(value(&weights.layers[0].attn_q), (0, 2.0));
    assert_eq!(value(&weights.layers[0].attn_output), (0, 7.0));
    assert_eq!(value(&weights.layers[1].attn_norm), (1, 0.0));
    let norm = weights.layers[1].attn_head_norm.as_ref().unwrap();
    assert_eq!((value(&norm.q), value(&norm.k)), ((1, 4.0), (1, 5.0)));
    assert_eq!(value(&weights.layers[1].ffn_down), (1, 10.0));
    assert_eq!(value(&weights.output_norm), (1, 11.0));
    for weight in weights.iter() {
        assert_eq!(weight.dtype, GgmlType::F16);
        assert_eq!(weight.range.len(), 2 * weight.rows * weight.cols);
    }
}
