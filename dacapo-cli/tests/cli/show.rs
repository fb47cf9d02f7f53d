//! `devices`, `inspect` and `tokenize`.

use serde_json::json;

use crate::run::{json, output, output_of_text, tiny};

#[test]
fn devices_are_listed_with_the_cpu_among_them() {
    let listing = json(["devices", "--json"]);
    let devices = listing["devices"].as_array().expect("a list");
    let cpu = devices
        .iter()
        .find(|device| device["backend"] == "cpu")
        .expect("the CPU is always there");
    assert!(cpu["memory_bytes"].as_u64().expect("a size") > 1 << 20);
    assert!(cpu["compute_units"].as_u64().expect("a count") >= 1);
    assert!(cpu["features"].is_array() && listing["absent"].is_array());
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(device["index"], index);
    }
    let last = devices.last().expect("there is one");
    assert_eq!(last["backend"], "reference");
    assert_eq!(last["kind"], "interpreter");

    let table = output(["devices"]);
    let row = table.lines().nth(1).expect("a row");
    assert!(table.starts_with("index  name"), "{table}");
    assert!(
        row.contains(cpu["name"].as_str().expect("a name")),
        "{table}"
    );
}

/// Against what the PyPI package `gguf` reads in the same file.
#[test]
fn inspect_agrees_with_the_gguf_package() {
    let data = format!("{}/../dacapo-llm/tests/data", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(format!("{data}/tiny-qwen3.json")).expect("the fixture");
    let expected: serde_json::Value = serde_json::from_str(&file).expect("JSON");
    let report = json(["inspect", &format!("{data}/tiny-qwen3.gguf"), "--json"]);

    assert_eq!(report["format"], "GGUF version 3");
    let tensors = report["tensors"].as_array().expect("a list");
    let expected_tensors = expected["tensors"].as_array().expect("a list");
    assert_eq!(tensors.len(), expected_tensors.len());
    for (tensor, expected) in tensors.iter().zip(expected_tensors) {
        for field in ["name", "type", "bytes"] {
            assert_eq!(tensor[field], expected[field]);
        }
        // The package has the fastest dimension first.
        let mut shape = expected["dims"].as_array().expect("a list").clone();
        shape.reverse();
        assert_eq!(tensor["shape"], json!(shape));
    }
    let metadata = report["metadata"].as_array().expect("a list");
    assert_eq!(
        metadata.len(),
        expected["metadata"].as_object().expect("an object").len()
    );
    for entry in metadata {
        let expected = &expected["metadata"][entry["key"].as_str().expect("a key")];
        assert_eq!(entry["type"], expected["type"]);
        match expected["value"].as_array() {
            Some(values) => {
                assert_eq!(entry["value"]["length"], values.len());
                assert_eq!(
                    entry["value"]["head"],
                    json!(values[..values.len().min(16)])
                );
            }
            None if expected["value"].is_f64() => {
                let value =
                    |entry: &serde_json::Value| entry["value"].as_f64().expect("a number") as f32;
                assert_eq!(value(entry), value(expected));
            }
            None => assert_eq!(entry["value"], expected["value"]),
        }
    }
    assert_eq!(report["decoder"]["architecture"], "qwen3");
    assert_eq!(report["decoder"]["head_dim"], 16);
    assert_eq!(report["not_runnable"], json!(null));
}

#[test]
fn inspect_shows_files_that_cannot_be_run() {
    let file = format!(
        "{}/../dacapo-llm/tests/data/all-types.gguf",
        env!("CARGO_MANIFEST_DIR")
    );
    let report = json(["inspect", &file, "--json"]);
    assert_eq!(report["decoder"], json!(null));
    let reason = report["not_runnable"].as_str().expect("a reason");
    assert!(
        reason.contains("fixture") && reason.contains("llama"),
        "{reason}"
    );
    let table = output(["inspect", &file]);
    assert!(
        table.contains("cannot run") && table.contains("da capo: ♪ from the top"),
        "{table}"
    );
}

#[test]
fn inspect_reads_folders() {
    let report = json(["inspect", &tiny("llama-gqa"), "--json"]);
    assert_eq!(report["format"], "safetensors");
    assert_eq!(report["files"], 2);
    assert_eq!(report["decoder"]["kv_heads"], 1);
}

/// In these vocabularies, ids of single characters are known without encoding anything: the SentencePiece ones
/// have byte `b` at `3 + b`, the byte-level one has `!` first.
#[test]
fn tokenize_lists_ids() {
    let sentence_piece = tiny("llama-gqa.q4_1.gguf");
    let ids = json(["tokenize", &sentence_piece, "\u{1}", "--json"]);
    let ids = ids.as_array().expect("a list");
    assert_eq!(ids.first(), Some(&json!(1)), "a start token");
    assert_eq!(ids.last(), Some(&json!(3 + 1)));

    let bytes = tiny("qwen2.f16-f32.gguf");
    assert_eq!(
        json(["tokenize", &bytes, "!\"!", "--json"]),
        json!([0, 1, 0])
    );
    assert_eq!(
        output(["tokenize", &bytes, "!\""]),
        "  0  \"!\"\n  1  \"\\\"\"\n"
    );
}

#[test]
fn tokenize_reads_files_and_standard_input() {
    let model = tiny("qwen2.f16-f32.gguf");
    let text = "the rain\nin the valley é 宽\n";
    let file = crate::run::scratch("tokenize").join("text.txt");
    std::fs::write(&file, text).expect("a file");
    let argument = output(["tokenize", &model, text, "--json"]);
    let file = file.to_str().expect("UTF-8");
    assert_eq!(
        output(["tokenize", &model, "--file", file, "--json"]),
        argument
    );
    assert_eq!(
        output_of_text(&["tokenize", &model, "--file", "-", "--json"], text),
        argument
    );
}
