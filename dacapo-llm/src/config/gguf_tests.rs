//! Configurations of small GGUF headers, right and wrong.

use crate::config::{Architecture, ConfigError, ModelConfig, RopeLayout, RopeScaling};
use crate::gguf::test_writer::Writer;
use crate::gguf::{GgmlType, GgufHeader};

/// The required keys of an architecture, without those in `left_out`.
fn base(arch: &str, left_out: &[&str]) -> Writer {
    let numbers = [
        ("block_count", 3),
        ("context_length", 512),
        ("embedding_length", 48),
        ("feed_forward_length", 80),
        ("attention.head_count", 6),
        ("attention.head_count_kv", 2),
        ("vocab_size", 100),
    ];
    let mut writer = Writer::new().str("general.architecture", arch);
    for (key, value) in numbers {
        if !left_out.contains(&key) {
            writer = writer.u32(&format!("{arch}.{key}"), value);
        }
    }
    if !left_out.contains(&"eps") {
        writer = writer.f32(&format!("{arch}.attention.layer_norm_rms_epsilon"), 1e-5);
    }
    writer
}

fn read(writer: &Writer) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_gguf(&GgufHeader::parse(&writer.finish()).unwrap())
}

fn message(writer: &Writer) -> String {
    read(writer)
        .expect_err("this configuration is wrong")
        .to_string()
}

#[test]
fn defaults_follow_the_architecture() {
    let llama = read(&base("llama", &[])).unwrap();
    assert_eq!(llama.architecture, Architecture::Llama);
    assert_eq!((llama.layers, llama.width, llama.feed_forward), (3, 48, 80));
    assert_eq!((llama.heads, llama.kv_heads, llama.head_dim), (6, 2, 8));
    assert_eq!((llama.q_width(), llama.kv_width()), (48, 16));
    assert_eq!((llama.vocab_size, llama.context_length), (100, 512));
    assert_eq!((llama.rms_eps, llama.rope.theta), (1e-5, 10_000.0));
    assert_eq!(llama.rope.layout, RopeLayout::AdjacentPairs);
    assert_eq!(
        (llama.rope.dims, llama.rope.scaling),
        (8, RopeScaling::None)
    );
    assert!(llama.tied_embeddings && !llama.qkv_bias && !llama.qk_norm);

    let qwen2 = read(&base("qwen2", &[])).unwrap();
    assert_eq!(qwen2.rope.layout, RopeLayout::SplitHalves);
    assert!(qwen2.qkv_bias && !qwen2.qk_norm);

    let qwen3 = base("qwen3", &["attention.head_count_kv"])
        .u32("qwen3.attention.key_length", 16)
        .u32("qwen3.attention.value_length", 16)
        .f32("qwen3.rope.freq_base", 1e6)
        .u32("qwen3.rope.dimension_count", 12);
    let qwen3 = read(&qwen3).unwrap();
    assert_eq!((qwen3.heads, qwen3.kv_heads, qwen3.head_dim), (6, 6, 16));
    assert_eq!((qwen3.rope.theta, qwen3.rope.dims), (1e6, 12));
    assert_eq!(qwen3.rope.layout, RopeLayout::SplitHalves);
    assert!(qwen3.qk_norm && !qwen3.qkv_bias);
}

#[test]
fn tensors_tell_of_biases_and_an_output_matrix() {
    let writer = base("llama", &[])
        .tensor("output.weight", GgmlType::F32, &[48, 100])
        .tensor("blk.0.attn_q.bias", GgmlType::F32, &[48]);
    let config = read(&writer).unwrap();
    assert!(!config.tied_embeddings && config.qkv_bias);
}

#[test]
fn the_vocabulary_is_measured_where_no_key_states_it() {
    let tokens = base("llama", &["vocab_size"]).strings("tokenizer.ggml.tokens", &["a", "b", "c"]);
    assert_eq!(read(&tokens).unwrap().vocab_size, 3);
    let rows = base("llama", &["vocab_size"]).tensor("token_embd.weight", GgmlType::F32, &[48, 7]);
    assert_eq!(read(&rows).unwrap().vocab_size, 7);
    assert_eq!(
        message(&base("llama", &["vocab_size"])),
        "llama.vocab_size is missing"
    );
}

#[test]
fn per_layer_values_must_agree() {
    let per_layer = |values: &[u32]| {
        base("llama", &["attention.head_count_kv"]).u32s("llama.attention.head_count_kv", values)
    };
    assert_eq!(read(&per_layer(&[3, 3, 3])).unwrap().kv_heads, 3);
    for values in [&[3, 3, 2][..], &[]] {
        let text = message(&per_layer(values));
        assert!(
            text.starts_with("llama.attention.head_count_kv is an array of"),
            "{text}"
        );
    }
}

#[test]
fn linear_scaling_is_read_and_others_are_named() {
    let scaled = |writer: Writer| read(&writer).unwrap().rope.scaling;
    let linear = RopeScaling::Linear { factor: 4.0 };
    let typed = |kind| base("llama", &[]).str("llama.rope.scaling.type", kind);
    assert_eq!(
        scaled(typed("linear").f32("llama.rope.scaling.factor", 4.0)),
        linear
    );
    assert_eq!(
        scaled(base("llama", &[]).f32("llama.rope.scale_linear", 4.0)),
        linear
    );
    assert_eq!(
        scaled(typed("none").f32("llama.rope.scaling.factor", 4.0)),
        RopeScaling::None
    );
    assert_eq!(
        message(&typed("linear")),
        "llama.rope.scaling.factor is missing"
    );
    let text = message(&typed("yarn").f32("llama.rope.scaling.factor", 4.0));
    assert!(
        text.starts_with("llama.rope.scaling.type is \"yarn\""),
        "{text}"
    );
    let text = message(&typed("linear").f32("llama.rope.scaling.factor", f32::NAN));
    assert!(
        text.starts_with("llama.rope.scaling.factor is NaN, allowed is"),
        "{text}"
    );
}

#[test]
fn unknown_architectures_are_named_with_the_known_ones() {
    let text = message(&base("mamba", &[]));
    assert!(
        text.starts_with("general.architecture is \"mamba\""),
        "{text}"
    );
    for known in ["llama", "qwen2", "qwen3"] {
        assert!(text.contains(known), "{text}");
    }
    assert_eq!(message(&Writer::new()), "general.architecture is missing");
}

#[test]
fn every_required_key_is_missed_by_name() {
    for key in [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
    ] {
        assert_eq!(
            message(&base("qwen2", &[key])),
            format!("qwen2.{key} is missing")
        );
    }
    let text = message(&base("qwen2", &["eps"]));
    assert_eq!(text, "qwen2.attention.layer_norm_rms_epsilon is missing");
}

#[test]
fn values_out_of_bounds_are_refused_with_what_is_allowed() {
    let cases = [
        ("block_count", 0, "1 to 1024"),
        ("block_count", 1 << 30, "1 to 1024"),
        ("context_length", 0, "1 to 268435456"),
        ("embedding_length", 0, "1 to 262144"),
        ("feed_forward_length", u32::MAX, "1 to 1048576"),
        ("vocab_size", 0, "1 to 4194304"),
        (
            "attention.head_count",
            0,
            "a divisor of llama.embedding_length (48)",
        ),
        (
            "attention.head_count",
            7,
            "a divisor of llama.embedding_length (48)",
        ),
        ("attention.head_count_kv", 0, "1 to 2048"),
        (
            "attention.head_count_kv",
            4,
            "a divisor of llama.attention.head_count (6)",
        ),
    ];
    for (key, value, allowed) in cases {
        let text = message(&base("llama", &[key]).u32(&format!("llama.{key}"), value));
        assert_eq!(
            text,
            format!("llama.{key} is {value}, allowed is {allowed}")
        );
    }
    let dims = [
        ("attention.key_length", 7, "an even number from 2 to 256"),
        ("attention.key_length", 0, "an even number from 2 to 256"),
        ("attention.key_length", 512, "an even number from 2 to 256"),
        (
            "attention.value_length",
            16,
            "8 as in llama.embedding_length / llama.attention.head_count",
        ),
        ("rope.dimension_count", 10, "an even number from 2 to 8"),
        ("rope.dimension_count", 3, "an even number from 2 to 8"),
    ];
    for (key, value, allowed) in dims {
        let text = message(&base("llama", &[]).u32(&format!("llama.{key}"), value));
        assert_eq!(
            text,
            format!("llama.{key} is {value}, allowed is {allowed}")
        );
    }
    for eps in [0.0, -1e-5, f32::NAN, f32::INFINITY, 1.0] {
        let key = "llama.attention.layer_norm_rms_epsilon";
        let text = message(&base("llama", &["eps"]).f32(key, eps));
        assert!(
            text.starts_with(&format!("{key} is {}, allowed is", f64::from(eps))),
            "{text}"
        );
    }
    let text = message(&base("llama", &[]).f32("llama.rope.freq_base", 0.0));
    assert!(
        text.starts_with("llama.rope.freq_base is 0, allowed is"),
        "{text}"
    );
    let text = message(&base("llama", &["block_count"]).str("llama.block_count", "3"));
    assert!(
        text.contains("\"llama.block_count\"") && text.contains("string"),
        "{text}"
    );
}

#[test]
fn what_is_not_supported_is_named() {
    let cases = [
        (
            "llama.attention.sliding_window",
            256,
            "sliding-window attention",
        ),
        ("llama.expert_count", 8, "a mixture of experts"),
        ("split.count", 2, "a model in several GGUF files"),
    ];
    for (key, value, feature) in cases {
        let text = message(&base("llama", &[]).u32(key, value));
        assert_eq!(
            text,
            format!("{key} is {value}: {feature} is not supported")
        );
    }
    let unused = base("llama", &[])
        .u32("llama.attention.sliding_window", 512)
        .u32("llama.expert_count", 0)
        .u32("split.count", 1);
    assert!(read(&unused).is_ok());
}
