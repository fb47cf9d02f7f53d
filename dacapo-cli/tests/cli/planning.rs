//! The flags that say how passes are planned.

use crate::run::{output, run, tiny};

const MODELS: [&str; 2] = ["llama-gqa.q4_1.gguf", "qwen3.bf16-q8_0.gguf"];

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
