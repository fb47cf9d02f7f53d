//! Configurations as `transformers` writes them, right and wrong.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::config::{Architecture, ConfigError, ModelConfig, RopeLayout, RopeScaling};

/// The keys of Llama 3.2 1B's configuration that matter, as transformers 4 writes them.
fn llama_3() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "max_position_embeddings": 131_072,
        "mlp_bias": false,
        "num_attention_heads": 32,
        "num_hidden_layers": 16,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3"
        },
        "rope_theta": 500_000.0,
        "tie_word_embeddings": true,
        "vocab_size": 128_256
    })
}

/// The keys of Qwen2.5 0.5B's configuration that matter.
fn qwen2() -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_act": "silu",
        "hidden_size": 896,
        "intermediate_size": 4864,
        "max_position_embeddings": 32_768,
        "max_window_layers": 21,
        "num_attention_heads": 14,
        "num_hidden_layers": 24,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1_000_000.0,
        "sliding_window": 16_384,
        "tie_word_embeddings": true,
        "use_sliding_window": false,
        "vocab_size": 151_936
    })
}

fn read(json: &Value) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_huggingface(json.to_string().as_bytes())
}

fn message(json: &Value) -> String {
    read(json)
        .expect_err("this configuration is wrong")
        .to_string()
}

fn with(mut json: Value, key: &str, value: Value) -> Value {
    json[key] = value;
    json
}

fn without(mut json: Value, key: &str) -> Value {
    json.as_object_mut().unwrap().remove(key).unwrap();
    json
}

#[test]
fn llama_3_as_transformers_4_writes_it() {
    let config = read(&llama_3()).unwrap();
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!(
        (config.layers, config.width, config.feed_forward),
        (16, 2048, 8192)
    );
    assert_eq!(
        (config.heads, config.kv_heads, config.head_dim),
        (32, 8, 64)
    );
    assert_eq!(
        (config.vocab_size, config.context_length),
        (128_256, 131_072)
    );
    assert_eq!((config.rms_eps, config.rope.theta), (1e-5, 500_000.0));
    assert_eq!(config.rope.layout, RopeLayout::SplitHalves);
    assert_eq!(config.rope.dims, 64);
    let scaling = RopeScaling::Llama3 {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 8192,
    };
    assert_eq!(config.rope.scaling, scaling);
    assert!(config.tied_embeddings && !config.qkv_bias && !config.qk_norm);
}

#[test]
fn transformers_5_says_the_same_in_rope_parameters() {
    let mut json = llama_3();
    let mut parameters = json["rope_scaling"].take();
    parameters["rope_theta"] = json["rope_theta"].take();
    let json = with(json, "rope_parameters", parameters);
    assert_eq!(read(&json), read(&llama_3()));
}

#[test]
fn qwen2_has_biases_and_an_unused_sliding_window() {
    let config = read(&qwen2()).unwrap();
    assert_eq!(config.architecture, Architecture::Qwen2);
    assert_eq!(config.head_dim, 64);
    assert_eq!(config.rope.theta, 1e6);
    assert!(config.qkv_bias && !config.qk_norm);
}

#[test]
fn qwen3_has_head_norms_and_its_own_head_width() {
    let json = with(qwen2(), "architectures", json!(["Qwen3ForCausalLM"]));
    let config = read(&json).unwrap();
    assert_eq!(
        (config.architecture, config.head_dim),
        (Architecture::Qwen3, 128)
    );
    assert!(config.qk_norm && !config.qkv_bias);
}

#[test]
fn absent_and_null_keys_have_transformers_defaults() {
    let mut json = llama_3();
    for key in [
        "num_key_value_heads",
        "head_dim",
        "rope_scaling",
        "rope_theta",
        "rms_norm_eps",
    ] {
        json[key] = Value::Null;
    }
    let json = without(json, "tie_word_embeddings");
    let config = read(&json).unwrap();
    assert_eq!((config.kv_heads, config.head_dim), (32, 64));
    assert_eq!(
        (config.rope.theta, config.rope.scaling),
        (10_000.0, RopeScaling::None)
    );
    assert_eq!(config.rms_eps, 1e-6);
    assert!(!config.tied_embeddings);
}

#[test]
fn partial_rotation_and_linear_scaling_are_read() {
    let scaling = json!({ "type": "linear", "factor": 2.5 });
    let json = with(llama_3(), "rope_scaling", scaling);
    let config = read(&with(json.clone(), "partial_rotary_factor", json!(0.5))).unwrap();
    assert_eq!(config.rope.dims, 32);
    assert_eq!(config.rope.scaling, RopeScaling::Linear { factor: 2.5 });
    for part in [0.0, -1.0, 0.05, 1.5, 1e300] {
        let text = message(&with(json.clone(), "partial_rotary_factor", json!(part)));
        assert!(
            text.starts_with("head_dim * partial_rotary_factor is"),
            "{text}"
        );
    }
}

#[test]
fn every_required_key_is_missed_by_name() {
    for key in [
        "architectures",
        "hidden_size",
        "intermediate_size",
        "max_position_embeddings",
        "num_attention_heads",
        "num_hidden_layers",
        "vocab_size",
    ] {
        assert_eq!(
            message(&without(llama_3(), key)),
            format!("{key} is missing")
        );
    }
    for key in [
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
    ] {
        let mut json = llama_3();
        json["rope_scaling"].as_object_mut().unwrap().remove(key);
        assert_eq!(message(&json), format!("rope_scaling.{key} is missing"));
    }
}

#[test]
fn bad_values_are_refused_with_what_is_allowed() {
    let cases = [
        ("hidden_size", json!("2048"), "a non-negative integer"),
        ("hidden_size", json!(-1), "a non-negative integer"),
        ("hidden_size", json!(0), "1 to 262144"),
        ("num_attention_heads", json!(1e9 as u64), "1 to 2048"),
        (
            "num_key_value_heads",
            json!(5),
            "a divisor of num_attention_heads (32)",
        ),
        ("head_dim", json!(63), "an even number from 2 to 256"),
        ("rms_norm_eps", json!(-1e-5), "a number from 1e-20 to 1e-1"),
        ("tie_word_embeddings", json!(1), "true or false"),
        ("rope_scaling", json!(4), "an object"),
        (
            "architectures",
            json!(["LlamaForCausalLM", "Qwen2ForCausalLM"]),
            "a list of one name",
        ),
    ];
    for (key, value, allowed) in cases {
        let text = message(&with(llama_3(), key, value.clone()));
        assert!(text.starts_with(&format!("{key} is ")), "{text}");
        assert!(text.ends_with(&format!("allowed is {allowed}")), "{text}");
    }
    let mut json = llama_3();
    json["rope_scaling"]["high_freq_factor"] = json!(1.0);
    let text = message(&json);
    assert_eq!(
        text,
        "rope_scaling.high_freq_factor is 1, allowed is a number above rope_scaling.low_freq_factor (1)"
    );
    let json = without(without(llama_3(), "head_dim"), "num_key_value_heads");
    let text = message(&with(json, "num_attention_heads", json!(33)));
    assert_eq!(
        text,
        "num_attention_heads is 33, allowed is a divisor of hidden_size (2048)"
    );
    for json in ["", "[]", "{", "{\"hidden_size\": nan}"] {
        let error = ModelConfig::from_huggingface(json.as_bytes());
        assert!(
            matches!(error, Err(ConfigError::NotJson(_))),
            "{json}: {error:?}"
        );
    }
    let deep = "[".repeat(100_000);
    ModelConfig::from_huggingface(deep.as_bytes()).unwrap_err();
}

#[test]
fn unknown_architectures_are_named_with_the_known_ones() {
    let text = message(&with(
        llama_3(),
        "architectures",
        json!(["MambaForCausalLM"]),
    ));
    assert!(
        text.starts_with("architectures is \"MambaForCausalLM\""),
        "{text}"
    );
    for known in ["LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"] {
        assert!(text.contains(known), "{text}");
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let yarn = json!({ "rope_type": "yarn", "factor": 4.0 });
    let per_layer = json!({ "full_attention": { "rope_type": "default" } });
    let cases = [
        ("rope_scaling", yarn, "rope_scaling.rope_type is \"yarn\""),
        (
            "rope_parameters",
            per_layer,
            "rope_parameters.full_attention is {",
        ),
        ("hidden_act", json!("gelu"), "hidden_act is \"gelu\""),
        ("attention_bias", json!(true), "attention_bias is true"),
        ("mlp_bias", json!(true), "mlp_bias is true"),
        (
            "quantization_config",
            json!({ "quant_method": "gptq" }),
            "quantization_config is \"gptq\"",
        ),
        (
            "layer_types",
            json!(["full_attention", "linear_attention"]),
            "layer_types is \"linear_attention\"",
        ),
    ];
    for (key, value, start) in cases {
        let text = message(&with(llama_3(), key, value));
        assert!(
            text.starts_with(start) && text.ends_with("is not supported"),
            "{text}"
        );
    }
}

#[test]
fn sliding_windows_are_refused_only_where_they_slide() {
    let used = with(qwen2(), "use_sliding_window", json!(true));
    let text = message(&used);
    assert_eq!(
        text,
        "sliding_window is 16384: sliding-window attention is not supported"
    );
    let all_full = with(used.clone(), "max_window_layers", json!(24));
    assert!(read(&all_full).is_ok());
    let wide = with(used.clone(), "sliding_window", json!(32_768));
    assert!(read(&wide).is_ok());
    let none = with(used.clone(), "sliding_window", Value::Null);
    assert!(read(&none).is_ok());
    let types = json!(["full_attention", "sliding_attention"]);
    let text = message(&with(used, "layer_types", types.clone()));
    assert!(
        text.starts_with("layer_types is \"sliding_attention\""),
        "{text}"
    );
    assert!(read(&with(wide, "layer_types", types)).is_ok());
}

proptest! {
    /// Any value under any key is read or refused.
    #[test]
    fn odd_values_never_panic(
        key in any::<prop::sample::Index>(),
        inside_scaling in any::<bool>(),
        value in prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0..64_u32).prop_map(|bit| Value::from(1_u64 << bit)),
            any::<String>().prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
            Just(json!([null, {}])),
        ],
    ) {
        let mut json = llama_3();
        let object = match inside_scaling {
            true => &mut json["rope_scaling"],
            false => &mut json,
        };
        let values = object.as_object_mut().unwrap();
        let key = key.index(values.len());
        *values.values_mut().nth(key).unwrap() = value;
        if let Ok(config) = read(&json) {
            prop_assert!(config.heads.is_multiple_of(config.kv_heads));
            prop_assert!(config.rope.dims.is_multiple_of(2) && config.rope.dims <= config.head_dim);
        }
    }
}
