use std::io::Read;
use std::process::Stdio;

use crate::run::{copy_of, dacapo, json, output, output_of_text, run, tiny};

const BARRIERS: [&str; 7] = [
    "total",
    "read_after_write",
    "write_after_read",
    "write_after_write",
    "unknown_access",
    "serial",
    "explicit",
];

#[test]
fn json_has_text_tokens_and_statistics() {
    let model = tiny("qwen3.bf16-q8_0.gguf");
    let report = json([
        "generate",
        "--model",
        &model,
        "--prompt",
        "!",
        "--max-tokens",
        "7",
        "--json",
    ]);
    assert_eq!(report["tokens"].as_array().expect("a list").len(), 7);
    assert_eq!(report["stop"], "max-tokens");
    assert_eq!(report["threads"], 2);
    assert!(report["seed"].is_null() && report["text"].is_string());
    let stats = &report["stats"];
    assert_eq!(stats["prefill"]["tokens"], 1);
    assert_eq!(stats["prefill"]["submissions"], 1);
    assert_eq!(stats["decode"]["tokens"], 7);
    assert_eq!(stats["total"]["tokens"], 8);
    for phase in ["prefill", "decode", "total"] {
        let phase = &stats[phase];
        assert!(
            phase["seconds"].as_f64() > Some(0.0) && phase["tok_s"].as_f64() > Some(0.0),
            "{phase}"
        );
        assert!(phase["dispatches"].as_u64() > Some(0), "{phase}");
        let count = |name: &&str| phase["barriers"][name].as_u64().expect("a count");
        assert_eq!(
            count(&"total"),
            BARRIERS[1..].iter().map(count).sum::<u64>()
        );
        assert!(phase["barriers_elided"].is_u64() && phase["waits"].is_u64());
    }
}

fn twenty_tokens(model: &str) -> [&str; 7] {
    [
        "generate",
        "--model",
        model,
        "--prompt",
        "ab c",
        "--max-tokens",
        "20",
    ]
}

#[test]
fn the_stream_is_the_text_and_whole_characters() {
    // This model says bytes that are no UTF-8: they arrive as replacement characters.
    let model = tiny("qwen2.f16-f32.gguf");
    let arguments = twenty_tokens(&model);
    let streamed = output(arguments);
    let report = json(arguments.iter().chain(&["--json"]));
    let text = report["text"].as_str().expect("a text");
    assert!(text.contains('\u{fffd}'), "{text}");
    assert_eq!(streamed.trim_end_matches('\n'), text.trim_end_matches('\n'));
    assert!(streamed.ends_with('\n'));
}

/// The same text and the same steps on a GPU. `DACAPO_TEST_VULKAN` says whether there must be one (`require`).
#[test]
fn the_text_on_vulkan_is_that_of_the_processor() {
    let there = run(["devices"]).stdout.contains("vulkan ");
    let wish = std::env::var("DACAPO_TEST_VULKAN").unwrap_or_default();
    if wish == "off" || (!there && wish != "require") {
        return;
    }
    for model in ["llama-gqa.q4_1.gguf", "qwen3.bf16-q8_0.gguf"] {
        let model = tiny(model);
        let arguments = twenty_tokens(&model);
        let answer = |device: &str, more: &[&str]| {
            let on = ["--json", "--device", device];
            json(arguments.iter().chain(&on).chain(more))
        };
        let (cpu, vulkan) = (answer("cpu", &[]), answer("vulkan", &[]));
        assert_eq!(cpu["tokens"], vulkan["tokens"], "{model}");
        // What is fused differs.
        let barriers = |device| {
            let plain = answer(device, &["--no-fuse"]);
            plain["stats"]["decode"]["barriers"]["total"].clone()
        };
        assert_eq!(barriers("cpu"), barriers("vulkan"));
    }
}

#[test]
fn seeds_decide_what_is_drawn() {
    // At this temperature all tokens are nearly equally likely: two draws of 24 hardly ever agree.
    let model = tiny("qwen2.f16-f32.gguf");
    let draw = |more: &[&str]| {
        let arguments = [
            "generate",
            "--model",
            &model,
            "--prompt",
            "the",
            "--max-tokens",
            "24",
            "--json",
        ];
        json(
            arguments
                .iter()
                .chain(&["--temperature", "100"])
                .chain(more),
        )
    };
    let (seven, again) = (
        draw(&["--seed", "7"]),
        draw(&["--seed", "7", "--threads", "1"]),
    );
    assert_eq!(seven["tokens"], again["tokens"]);
    assert_eq!(seven["seed"], 7);
    let (free, other) = (draw(&[]), draw(&[]));
    assert_ne!(free["seed"], other["seed"]);
    assert_ne!(free["tokens"], other["tokens"]);
    let seed = free["seed"].as_u64().expect("a seed").to_string();
    assert_eq!(draw(&["--seed", &seed])["tokens"], free["tokens"]);
    // Of one candidate, every seed draws the same.
    let (one, two) = (
        draw(&["--seed", "1", "--top-k", "1"]),
        draw(&["--seed", "2", "--top-k", "1"]),
    );
    assert_eq!(one["tokens"], two["tokens"]);
}

#[test]
fn the_prompt_may_come_from_standard_input() {
    let model = tiny("qwen2.f16-f32.gguf");
    let arguments = ["generate", "--model", &model, "--max-tokens", "8"];
    let expected = output(arguments.iter().chain(&["--prompt", "the rain"]));
    for text in ["the rain", "the rain\n", "the rain\r\n"] {
        assert_eq!(output_of_text(&arguments, text), expected, "{text:?}");
    }
}

#[test]
fn a_chat_is_the_rendered_template() {
    let folder = copy_of("qwen3", "chat");
    let template = "{% for m in messages %}<{{ m.role }}:{{ m.content }}>{% endfor %}{% if add_generation_prompt %}>>{% endif %}";
    std::fs::write(folder.join("chat_template.jinja"), template).expect("a template");
    let model = folder.to_str().expect("UTF-8");
    let tokens = |more: &[&str]| {
        let arguments = [
            "generate",
            "--model",
            model,
            "--max-tokens",
            "6",
            "--json",
            "--prompt",
        ];
        let report = json(arguments.iter().chain(more));
        (
            report["tokens"].clone(),
            report["stats"]["prefill"]["tokens"].clone(),
        )
    };
    let raw = tokens(&["<system:be><user:hi>>>", "--raw"]);
    assert_eq!(tokens(&["hi", "--system", "be"]), raw);
    assert_eq!(tokens(&["hi", "--system", "be", "--chat"]), raw);
    assert_ne!(tokens(&["hi"]), raw);
    assert_eq!(tokens(&["<user:hi>>>", "--raw"]), tokens(&["hi"]));
}

#[test]
fn generation_stops_at_the_end_of_the_context() {
    let model = tiny("qwen2.f16-f32.gguf");
    let arguments = [
        "generate",
        "--model",
        &model,
        "--prompt",
        "!!!",
        "--context",
        "10",
        "--json",
    ];
    let report = json(arguments);
    assert_eq!(report["stop"], "context-full");
    // Three tokens of the prompt and seven of the text are in the cache; the eighth was drawn from them.
    assert_eq!(report["tokens"].as_array().expect("a list").len(), 8);
}

#[test]
fn stats_go_to_standard_error_as_a_table() {
    let model = tiny("qwen2.f16-f32.gguf");
    let arguments = [
        "generate",
        "--model",
        &model,
        "--prompt",
        "the",
        "--max-tokens",
        "5",
    ];
    let plain = output(arguments);
    let ended = run(arguments.iter().chain(&["--stats"]));
    assert_eq!((ended.code, &ended.stdout), (Some(0), &plain));
    let rows = [
        "tokens",
        "seconds",
        "tok/s",
        "dispatches",
        "barriers",
        "barriers elided",
        "submissions",
        "waits",
    ];
    for row in rows {
        assert!(
            ended.stderr.lines().any(|line| line.starts_with(row)),
            "{row}: {}",
            ended.stderr
        );
    }
    assert!(ended.stderr.contains("at --max-tokens"), "{}", ended.stderr);
    let table: Vec<&str> = ended
        .stderr
        .lines()
        .skip_while(|line| !line.starts_with(' '))
        .collect();
    let ends: Vec<usize> = table.iter().map(|line| line.chars().count()).collect();
    assert!(
        ends.iter().all(|end| *end == ends[0] && *end <= 80),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let model = tiny("llama-gqa");
    let mut command = dacapo();
    command.args(["generate", "--prompt", "ab c", "--model", &model]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut stderr)
        .expect("errors are UTF-8");
    assert_eq!(stderr, "");
    assert_eq!(child.wait().expect("the program ends").code(), Some(0));
}
