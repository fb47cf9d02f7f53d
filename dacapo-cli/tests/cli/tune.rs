//! `tune`, and what other commands make of its file.

use crate::run::{dacapo, ended, scratch, tiny};

/// The processor has one shape of each kernel: the file says so, and whoever loads it looks at it.
#[test]
fn settings_are_kept_and_damaged_ones_are_told_of() {
    let (cache, model) = (scratch("tune"), tiny("llama-gqa.q4_1.gguf"));
    let run = |arguments: &[&str]| {
        let mut command = dacapo();
        command.env("XDG_CACHE_HOME", &cache).env("HOME", &cache);
        ended(command.env("LOCALAPPDATA", &cache).args(arguments))
    };
    let tuned = run(&["tune", &model, "--context", "16"]);
    assert_eq!((tuned.code, tuned.stderr.as_str()), (Some(0), ""));
    assert!(
        tuned.stdout.contains("0 settings of 0 knobs"),
        "{}",
        tuned.stdout
    );
    let (_, path) = tuned.stdout.split_once("kept in  ").expect("a path");
    let path = path.trim_end();
    let kept = std::fs::read_to_string(path).expect("the file");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["settings"], serde_json::json!({}));
    assert_eq!(kept["device"]["backend"], "cpu");

    let graph = ["graph", &model, "--json"];
    assert_eq!(run(&graph).stderr, "");
    std::fs::write(path, "{").expect("a damaged file");
    let warned = run(&graph);
    assert_eq!(warned.code, Some(0));
    assert!(
        warned.stderr.contains("ignoring tuned settings"),
        "{}",
        warned.stderr
    );
    let ignored = run(&[&graph[..], &["--no-tuning"]].concat());
    assert_eq!((ignored.code, ignored.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_context_that_the_model_has_not_is_an_error() {
    let model = tiny("llama-gqa.q4_1.gguf");
    let refused = crate::run::run(["tune", &model, "--context", "256"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("context is 256; allowed: 1 to "),
        "{}",
        refused.stderr
    );
}
