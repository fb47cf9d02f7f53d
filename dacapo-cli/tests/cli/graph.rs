//! `graph`, and the flags that say how passes are planned.

use crate::run::{json, output, run, scratch, tiny};

const MODELS: [&str; 2] = ["llama-gqa.q4_1.gguf", "qwen3.bf16-q8_0.gguf"];

fn count(report: &serde_json::Value, key: &str) -> u64 {
    report[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key}: {report}"))
}

#[test]
fn a_plan_in_figures_is_as_short_as_its_longest_path() {
    for model in MODELS.map(tiny) {
        let report = json(["graph", &model, "--device", "cpu", "--json"]);
        let count = |key| count(&report, key);
        assert_eq!(count("waves"), count("longest_path"));
        assert_eq!(count("barriers") + 1, count("waves"));
        assert!(count("barriers") <= count("barriers_greedy64"));
        assert!(count("barriers_greedy64") <= count("barriers_program_order"));
        assert!(count("dispatches_after_fusion") < count("dispatches_captured"));
        let fired: u64 = report["fusions"]
            .as_object()
            .expect("rules")
            .values()
            .filter_map(|n| n.as_u64())
            .sum();
        assert!(fired > 0, "{report}");

        let report = json(["graph", &model, "--device", "cpu", "--json", "--no-fuse"]);
        assert_eq!(
            report["dispatches_captured"],
            report["dispatches_after_fusion"]
        );
        assert!(report["fusions"].as_object().expect("rules").is_empty());
    }
}

#[test]
fn a_plan_is_shown_drawn_and_saved() {
    let model = tiny(MODELS[1]);
    let text = output(["graph", &model, "--device", "cpu"]);
    for part in [
        "planned:",
        "graph: ",
        "wave 1, after a barrier",
        "layer 1",
        "rule ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let svg = output(["graph", &model, "--device", "cpu", "--svg", "-"]);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let dot = output(["graph", &model, "--device", "cpu", "--dot", "-"]);
    assert!(dot.starts_with("digraph") && dot.contains("->"));

    let file = scratch("graph").join("step.dacapo");
    let path = file.to_str().expect("a path");
    output([
        "graph",
        &model,
        "--device",
        "cpu",
        "--prompt",
        "abc",
        "--save",
        path,
        "--with-contents",
    ]);
    let bytes = std::fs::read(&file).expect("the file");
    let read = dacapo::GraphFile::read(&bytes).expect("a capture file");
    assert!(format!("{read:?}").len() > 10);
    let home = env!("CARGO_MANIFEST_DIR").as_bytes();
    assert!(
        !bytes.windows(home.len()).any(|window| window == home),
        "no paths"
    );
}

#[test]
fn two_things_do_not_go_to_standard_output_at_once() {
    let ended = run([
        "graph",
        &tiny(MODELS[0]),
        "--device",
        "cpu",
        "--json",
        "--svg",
        "-",
    ]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("only one of"), "{}", ended.stderr);
}

#[test]
fn the_text_does_not_depend_on_how_passes_are_planned() {
    for model in MODELS.map(tiny) {
        let answer = |flags: &[&str]| {
            let fixed = [
                "generate", "--device", "cpu", "--model", &model, "--raw", "--prompt", "abc",
            ];
            let rest = ["--max-tokens", "20"];
            output(fixed.iter().chain(&rest).chain(flags))
        };
        let planned = answer(&[]);
        for flags in [
            &["--no-graph"][..],
            &["--no-fuse"],
            &["--no-reorder"],
            &["--no-fuse", "--no-reorder", "--in-flight", "7"],
            &["--hazards", "serial"],
            &["--no-graph", "--hazards", "serial"],
        ] {
            assert_eq!(answer(flags), planned, "{model} {flags:?}");
        }
    }
    let ended = run(["generate", "--in-flight", "17", "--prompt", "x"]);
    assert_eq!(ended.code, Some(2));
    let ended = run(["generate", "--hazards", "none", "--prompt", "x"]);
    assert!(ended.stderr.contains("auto, serial"), "{}", ended.stderr);
}
