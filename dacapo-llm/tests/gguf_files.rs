//! Files written by the Python package `gguf`, against what that package reads in them.

use std::path::{Path, PathBuf};

use dacapo_llm::config::{Architecture, RopeLayout};
use dacapo_llm::gguf::{Array, GgufFile, GgufHeader, Value};
use dacapo_llm::tensors::TensorIndex;
use dacapo_llm::{ModelConfig, ModelFiles, Weights};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const FIXTURES: [&str; 4] = ["all-types", "tiny-llama", "tiny-qwen2", "tiny-qwen3"];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::U8(value) => json!(value),
        Value::I8(value) => json!(value),
        Value::U16(value) => json!(value),
        Value::I16(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::F32(value) => json!(f64::from(*value)),
        Value::Bool(value) => json!(value),
        Value::String(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::F64(value) => json!(value),
        Value::Array(Array::Bool(values)) => json!(values),
        Value::Array(Array::I32(values)) => json!(values),
        Value::Array(Array::F32(values)) => json!(values),
        Value::Array(Array::String(values)) => json!(values.iter().collect::<Vec<_>>()),
        Value::Array(_) => return None,
    })
}

#[test]
fn the_python_package_reads_the_same() {
    for fixture in FIXTURES {
        let file = GgufFile::open(data(&format!("{fixture}.gguf"))).unwrap();
        let header = file.header();
        let text = std::fs::read_to_string(data(&format!("{fixture}.json"))).unwrap();
        let wanted: Json = serde_json::from_str(&text).unwrap();

        assert_eq!(json!(header.alignment()), wanted["alignment"]);
        let metadata = wanted["metadata"].as_object().unwrap();
        assert_eq!(header.metadata().len(), metadata.len());
        for (key, entry) in metadata {
            let value = header.metadata().get(key).expect(key);
            assert_eq!(
                json!(value.value_type().to_string()),
                entry["type"],
                "{key}"
            );
            if !entry["value"].is_null() {
                assert_eq!(to_json(value).as_ref(), Some(&entry["value"]), "{key}");
            }
        }
        let tensors: Vec<Json> = header
            .tensors()
            .map(|(name, tensor)| {
                json!({
                    "name": name,
                    "dims": tensor.dims(),
                    "type": tensor.dtype().name(),
                    "start": tensor.range().start,
                    "bytes": tensor.range().len(),
                })
            })
            .collect();
        assert_eq!(Json::from(tensors), wanted["tensors"], "{fixture}");
    }
}

#[test]
fn nested_arrays_are_read() {
    let file = GgufFile::open(data("all-types.gguf")).unwrap();
    let metadata = file.header().metadata();
    let nested = metadata.array("array.nested").unwrap().unwrap();
    let rows = [vec![1, 2, 3], vec![4], vec![5, 6]].map(Array::I32);
    assert_eq!(nested, &Array::Array(rows.into()));
    let strings = |list: &[&str]| Array::String(list.iter().copied().collect());
    let deep = Array::Array(vec![
        Array::Array(vec![strings(&["x"]), strings(&["y", "z"])]),
        Array::Array(vec![strings(&["w"])]),
    ]);
    assert_eq!(metadata.array("array.deep").unwrap(), Some(&deep));
}

#[test]
fn tiny_models_have_all_their_weights() {
    let cases = [
        (
            "tiny-llama.gguf",
            Architecture::Llama,
            RopeLayout::AdjacentPairs,
            21,
        ),
        (
            "tiny-qwen2.gguf",
            Architecture::Qwen2,
            RopeLayout::SplitHalves,
            27,
        ),
        (
            "tiny-qwen3.gguf",
            Architecture::Qwen3,
            RopeLayout::SplitHalves,
            25,
        ),
    ];
    for (name, architecture, layout, count) in cases {
        let model = ModelFiles::open(data(name)).unwrap();
        let config = model.config();
        assert_eq!(
            (config.architecture, config.rope.layout),
            (architecture, layout)
        );
        assert_eq!(
            (config.width, config.layers, config.vocab_size),
            (64, 2, 40)
        );
        assert_eq!((config.heads, config.kv_heads, config.head_dim), (4, 2, 16));
        let llama = architecture == Architecture::Llama;
        assert_eq!(model.weights().output.is_none(), llama);
        assert_eq!(model.weights().rope_freqs.is_some(), llama);
        assert_eq!(model.weights().iter().count(), count);
        for weight in model.weights().iter() {
            assert_eq!(model.bytes(weight).len(), weight.range.len());
            assert_eq!(weight.range.start % 32, 0);
        }
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_with_its_path() {
    let error = ModelFiles::open(data("all-types.gguf"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("all-types.gguf: general.architecture is \"fixture\""),
        "{error}"
    );
    let error = ModelFiles::open(data("all-types.json"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("all-types.json: not a GGUF file"), "{error}");
    let folder = std::env::temp_dir().join(format!("dacapo-no-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::write(folder.join(name), "\x02\0\0\0\0\0\0\0{}").unwrap();
    }
    let error = ModelFiles::open(&folder).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("config.json: not a JSON object"), "{error}");
    let error = ModelFiles::open(data("")).unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
}

/// Reads bytes all the way; whatever comes out, it must come without a panic.
fn read_everything(bytes: &[u8]) {
    let Ok(header) = GgufHeader::parse(bytes) else {
        return;
    };
    for (_, tensor) in header.tensors() {
        assert!(bytes.get(tensor.range()).is_some());
    }
    if let Ok(config) = ModelConfig::from_gguf(&header) {
        let _ = Weights::resolve(&config, &TensorIndex::from_gguf(&header));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Changes land in the first 4 KiB, where the headers of the fixtures are.
    #[test]
    fn changed_files_never_panic(
        fixture in 0..FIXTURES.len(),
        changes in prop::collection::vec((0..4096_usize, any::<u8>()), 1..8),
        cut in prop::option::weighted(0.2, 0..8192_usize),
    ) {
        let mut bytes = std::fs::read(data(&format!("{}.gguf", FIXTURES[fixture]))).unwrap();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        read_everything(&bytes);
    }

    #[test]
    fn changed_numbers_never_panic(
        fixture in 0..FIXTURES.len(),
        at in 0..4096_usize,
        number in prop_oneof![any::<u64>(), 0..64_u64, Just(u64::MAX), (0..64_u32).prop_map(|bit| 1 << bit)],
    ) {
        let mut bytes = std::fs::read(data(&format!("{}.gguf", FIXTURES[fixture]))).unwrap();
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        read_everything(&bytes);
    }
}
