use std::path::Path;

use crate::run::{Ended, dacapo, ended, output, run, scratch, tiny};

/// Asserts an error in one line that has all of `words`.
#[track_caller]
fn assert_error(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {ended:?}");
    }
}

/// Asserts a complaint about the arguments that has all of `words`.
#[track_caller]
fn assert_usage(arguments: &[&str], words: &[&str]) {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "{arguments:?}: no {word:?} in {}",
            ended.stderr
        );
    }
}

fn generate(more: &[&str]) -> Ended {
    let model = tiny("qwen2.f16-f32.gguf");
    run([
        "generate",
        "--model",
        &model,
        "--prompt",
        "the",
        "--max-tokens",
        "2",
    ]
    .iter()
    .chain(more))
}

#[test]
fn a_missing_model_is_named() {
    for arguments in [
        vec!["generate", "--prompt", "x", "--model", "no/such.gguf"],
        vec!["inspect", "no/such.gguf"],
        vec!["tokenize", "no/such.gguf", "x"],
        vec!["bench", "no/such.gguf"],
    ] {
        assert_error(&run(arguments), &["no/such.gguf", "os error"]);
    }
}

#[test]
fn a_missing_default_model_says_how_to_get_it() {
    let home = scratch("no-default-model");
    for arguments in [
        &["generate", "--prompt", "x"][..],
        &["inspect"],
        &["tokenize", "x"],
        &["bench"],
    ] {
        let mut command = dacapo();
        for name in ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
            command.env(name, &home);
        }
        let words = [
            "smollm2-135m-instruct-q4_1.gguf",
            "python3 scripts/fetch-model",
            "no-default-model",
        ];
        assert_error(&ended(command.args(arguments)), &words);
    }
}

#[test]
#[cfg(not(any(windows, target_os = "macos")))]
fn the_default_model_is_the_one_in_the_cache() {
    let cache = scratch("default-model");
    let folder = cache.join("dacapo");
    std::fs::create_dir(&folder).expect("a folder");
    let model = folder.join("smollm2-135m-instruct-q4_1.gguf");
    std::fs::copy(tiny("qwen2.f16-f32.gguf"), &model).expect("a copy");
    let ended = ended(dacapo().args(["inspect"]).env("XDG_CACHE_HOME", &cache));
    assert!(
        ended.stdout.contains(model.to_str().expect("UTF-8")),
        "{ended:?}"
    );
}

#[test]
fn files_that_are_no_models_are_refused() {
    let folder = scratch("no-models");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    let whole = std::fs::read(tiny("qwen2.f16-f32.gguf")).expect("the fixture");
    let cut = file("cut.gguf", &whole[..whole.len() / 2]);
    let text = file("text.gguf", b"no model at all");
    let inspect = |path: &Path| run([Path::new("inspect"), path]);
    assert_error(&inspect(&cut), &["cut.gguf", "tensor"]);
    assert_error(&inspect(&text), &["text.gguf", "GGUF"]);
    assert_error(&inspect(&folder), &["config.json"]);
    let bench = run([Path::new("bench"), &cut]);
    assert_error(&bench, &["cut.gguf"]);
}

#[test]
fn devices_that_are_not_there_are_refused() {
    if !cfg!(any(target_vendor = "apple", dacapo_metal_double)) {
        assert_error(
            &generate(&["--device", "metal"]),
            &["metal", "on Apple's systems alone", "available: 0: "],
        );
    }
    assert_error(
        &generate(&["--device", "17"]),
        &["index 17", "available: 0: "],
    );
    assert_error(
        &generate(&["--device", "no such chip"]),
        &["no such chip", "available: 0: "],
    );
    assert_usage(
        &["generate", "--device", ""],
        &["--device", "an index, or part of a name"],
    );
}

#[test]
fn numbers_out_of_range_name_the_range() {
    assert_usage(
        &["generate", "--temperature", "-1"],
        &["--temperature", "a number from 0"],
    );
    assert_usage(
        &["generate", "--temperature", "warm"],
        &["--temperature", "a number from 0"],
    );
    assert_usage(&["generate", "--top-p", "1.5"], &["--top-p", "from 0 to 1"]);
    assert_usage(&["generate", "--min-p", "nan"], &["--min-p", "from 0 to 1"]);
    assert_usage(&["generate", "--top-k", "all"], &["--top-k"]);
    assert_usage(&["generate", "--max-tokens", "0"], &["--max-tokens"]);
    assert_usage(&["generate", "--threads", "0"], &["--threads", "1..=1024"]);
    assert_usage(&["bench", "--threads", "1025"], &["--threads", "1..=1024"]);
    assert_usage(&["bench", "--repeat", "0"], &["--repeat"]);
    assert_error(
        &generate(&["--context", "100000"]),
        &["capacity", "100000", "256"],
    );
}

#[test]
fn arguments_that_do_not_fit_together_are_refused() {
    assert_usage(&["compute"], &["compute", "Usage: dacapo"]);
    assert_usage(&["generate", "--chat", "--raw"], &["--chat", "--raw"]);
    assert_usage(
        &["generate", "--system", "x", "--raw"],
        &["--system", "--raw"],
    );
    assert_usage(&["tokenize"], &["TEXT", "--file", "Usage: dacapo tokenize"]);
    assert_usage(&["tokenize", "m", "t", "--file", "f"], &["TEXT", "--file"]);
    assert_usage(&["perplexity"], &["TEXTFILE"]);
}

#[test]
fn prompts_that_cannot_be_continued_are_refused() {
    let model = tiny("qwen2.f16-f32.gguf");
    let generate = |more: &[&str]| run(["generate", "--model", &model].iter().chain(more));
    assert_error(&generate(&["--prompt", ""]), &["prompt is empty"]);
    assert_error(
        &generate(&["--prompt", "x", "--chat"]),
        &["no chat template", "--raw", "qwen2"],
    );
    assert_error(
        &generate(&["--prompt", "x", "--system", "y"]),
        &["no chat template"],
    );
    let long = "x".repeat(300);
    assert_error(&generate(&["--prompt", &long]), &["context is full", "256"]);
}

#[test]
fn texts_that_cannot_be_read_are_named() {
    let model = tiny("qwen2.f16-f32.gguf");
    let folder = scratch("texts");
    assert_error(
        &run(["perplexity", &model, "no/such.txt"]),
        &["no/such.txt", "os error"],
    );
    assert_error(
        &run(["tokenize", &model, "--file", "no/such.txt"]),
        &["no/such.txt"],
    );
    let binary = folder.join("binary.txt");
    std::fs::write(&binary, b"abc\xff").expect("a file");
    let binary = binary.to_str().expect("UTF-8");
    assert_error(
        &run(["perplexity", &model, binary]),
        &["binary.txt", "UTF-8", "offset 3"],
    );
    let short = folder.join("short.txt");
    std::fs::write(&short, "x").expect("a file");
    let short = short.to_str().expect("UTF-8");
    assert_error(
        &run(["perplexity", &model, short]),
        &["short.txt", "1 token"],
    );
}

#[test]
fn bad_environment_names_the_choices() {
    for (name, value, choice) in [
        ("DACAPO_THREADS", "0", "1 to 1024"),
        ("DACAPO_DEVICE", "", "vulkan"),
        ("DACAPO_HAZARDS", "none", "auto, manual, serial"),
        ("DACAPO_LOG", "loud", "off, error, warn, info, debug, trace"),
    ] {
        let model = tiny("qwen2.f16-f32.gguf");
        let mut command = dacapo();
        command
            .args(["generate", "--prompt", "x", "--model", &model])
            .env(name, value);
        assert_error(&ended(&mut command), &[name, choice]);
    }
}

#[test]
fn flags_win_over_the_environment() {
    let model = tiny("qwen2.f16-f32.gguf");
    let arguments = [
        "generate",
        "--prompt",
        "the",
        "--max-tokens",
        "2",
        "--json",
        "--model",
        &model,
    ];
    let expected = output(arguments);
    let mut command = dacapo();
    command
        .args(arguments)
        .args(["--device", "cpu", "--threads", "1"]);
    let ended = ended(
        command
            .env("DACAPO_DEVICE", "no such chip")
            .env("DACAPO_THREADS", "3"),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let parse = |text: &str| -> serde_json::Value { serde_json::from_str(text).expect("JSON") };
    let (found, expected) = (parse(&ended.stdout), parse(&expected));
    assert_eq!(found["threads"], 1);
    assert_eq!(expected["threads"], 2);
    assert_eq!(found["tokens"], expected["tokens"]);
}
