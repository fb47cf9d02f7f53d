//! `perplexity` and `bench`.

use crate::run::{json, output, output_of_text, scratch, tiny};

fn text_file(test: &str, text: &str) -> String {
    let file = scratch(test).join("text.txt");
    std::fs::write(&file, text).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn perplexity_scores_every_token_that_has_a_predecessor() {
    let file = text_file("perplexity-count", &"!".repeat(20));
    let scored = |model: &str, context: &str| {
        let report = json([
            "perplexity",
            &tiny(model),
            &file,
            "--context",
            context,
            "--json",
        ]);
        let (nll, perplexity) = (number(&report["mean_nll"]), number(&report["perplexity"]));
        assert!(
            nll > 0.0 && (nll.exp() - perplexity).abs() <= 1e-9 * perplexity,
            "{report}"
        );
        report["tokens"].as_u64().expect("a count")
    };
    // 20 tokens in windows of 8, 8 and 4: the first of each has no predecessor.
    assert_eq!(scored("qwen2.f16-f32.gguf", "8"), 17);
    assert_eq!(scored("qwen2.f16-f32.gguf", "256"), 19);
    // Every window has a start token, so that every token of the text has a predecessor.
    let report = json([
        "tokenize",
        &tiny("llama-gqa.q4_1.gguf"),
        "--file",
        &file,
        "--json",
    ]);
    let tokens = report.as_array().expect("a list").len() as u64 - 1;
    assert_eq!(scored("llama-gqa.q4_1.gguf", "8"), tokens);
}

#[test]
fn perplexity_reads_standard_input() {
    let model = tiny("qwen2.f16-f32.gguf");
    let text = "the rain in the valley\n";
    let file = text_file("perplexity-stdin", text);
    let expected = output(["perplexity", &model, &file]);
    assert!(expected.starts_with("perplexity "), "{expected}");
    assert_eq!(output_of_text(&["perplexity", &model, "-"], text), expected);
}

#[test]
fn bench_reports_medians_and_intervals() {
    let model = tiny("qwen3.bf16-q8_0.gguf");
    let sizes = [
        "--prompt-tokens",
        "32",
        "--gen-tokens",
        "8",
        "--repeat",
        "3",
    ];
    let report = json(["bench", &model, "--json"].iter().chain(&sizes));
    for figure in ["prefill_tok_s", "decode_tok_s"] {
        let figure = &report[figure];
        let (low, high) = (
            number(&figure["interval"][0]),
            number(&figure["interval"][1]),
        );
        let median = number(&figure["median"]);
        assert!(0.0 < low && low <= median && median <= high, "{figure}");
        assert_eq!(figure["repeats"].as_array().expect("a list").len(), 3);
    }
    for (field, value) in [
        ("prompt_tokens", 32),
        ("gen_tokens", 8),
        ("repeat", 3),
        ("threads", 2),
    ] {
        assert_eq!(report[field], value);
    }
    assert_eq!(report["backend"], "cpu");
    assert_eq!(report["architecture"], "qwen3");
    assert!(report["weight_bytes"].as_u64() > Some(0) && report["model"].is_string());

    let table = output(["bench", &model].iter().chain(&sizes));
    for word in ["prefill", "decode", "tok/s", "interval"] {
        assert!(table.contains(word), "{table}");
    }
}
