//! `graph`.

use std::path::Path;

use serde_json::Value;

use crate::run::{json, output, run, scratch, tiny};

fn model() -> String {
    tiny("llama-gqa.q4_1.gguf")
}

fn number(report: &Value, key: &str) -> u64 {
    let value = report[key].as_u64();
    value.unwrap_or_else(|| panic!("{key} in {report}"))
}

#[test]
fn figures_agree_with_each_other() {
    for name in ["llama-gqa.q4_1.gguf", "qwen3.bf16-q8_0.gguf"] {
        figures_agree(&tiny(name));
    }
}

fn figures_agree(model: &str) {
    let plain = json(["graph", model, "--json", "--no-fuse", "--no-reorder"]);
    let report = json(["graph", model, "--json"]);
    for report in [&plain, &report] {
        let captured = number(report, "dispatches_captured");
        let (fused, waves) = (
            number(report, "dispatches_after_fusion"),
            number(report, "waves"),
        );
        assert!(captured >= fused && fused >= waves, "{report}");
        assert_eq!(number(report, "barriers"), waves - 1);
        let longest = number(report, "longest_path");
        let (ahead, order) = (
            number(report, "barriers_greedy64"),
            number(report, "barriers_program_order"),
        );
        assert!(longest - 1 <= ahead && ahead <= order, "{report}");
    }
    assert_eq!(number(&report, "waves"), number(&report, "longest_path"));
    let captured = number(&plain, "dispatches_captured");
    assert_eq!(number(&plain, "dispatches_after_fusion"), captured);
    assert_eq!(
        number(&plain, "barriers"),
        number(&plain, "barriers_program_order")
    );
    assert_eq!(plain["fusions"], serde_json::json!({}));
    // What was fused is gone: a rule takes at least one dispatch away each time.
    let fusions = report["fusions"].as_object().expect("an object");
    let times: u64 = fusions.values().filter_map(Value::as_u64).sum();
    assert!(times > 0 && number(&report, "dispatches_after_fusion") + times <= captured);
    assert_eq!(
        number(&report["passes"]["captured"], "dispatches"),
        captured
    );
}

#[test]
fn the_text_has_figures_graph_and_plan() {
    let report = json(["graph", &model(), "--json"]);
    let text = output(["graph", &model()]);
    let (captured, waves) = (
        number(&report, "dispatches_captured"),
        number(&report, "waves"),
    );
    for part in [
        format!("plan     {waves} waves, {} barriers\n", waves - 1),
        format!("\ngraph: {captured} nodes, "),
        format!(") in {waves} waves, {} barriers\nwave 0\n", waves - 1),
        format!("\nwave {}, after a barrier: ", waves - 1),
        "residual add, rms norm".to_owned(),
        "  layer 0".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\n{text}");
    }
}

#[test]
fn drawings_go_to_files_or_standard_output() {
    let folder = scratch("graph-drawings");
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (svg, dot) = (path("a.svg"), path("a.dot"));
    let arguments = ["graph", &model(), "--svg", &svg, "--dot", &dot];
    assert_eq!(output(arguments), "");
    let read = |path: &str| std::fs::read_to_string(path).expect("a file");
    let (svg, dot) = (read(&svg), read(&dot));
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    assert!(dot.starts_with("digraph ") && dot.ends_with("}\n"), "{dot}");
    assert_eq!(output(["graph", &model(), "--svg", "-"]), svg);
    assert_eq!(output(["graph", &model(), "--dot", "-"]), dot);
    let report = json(["graph", &model(), "--json", "--svg", &path("b.svg")]);
    let nodes = svg.matches("<g class=\"node\">").count() as u64;
    assert_eq!(nodes, number(&report, "dispatches_after_fusion"));
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("a file").len()
}

#[test]
fn steps_are_saved_with_as_much_as_is_asked_for() {
    let folder = scratch("graph-files");
    let save = |name: &str, more: &[&str]| {
        let path = folder.join(name);
        let (model, file) = (model(), path.to_str().expect("UTF-8").to_owned());
        let arguments = ["graph", &model, "--context", "64", "--save", &file];
        assert_eq!(output(arguments.iter().chain(more)), "");
        let bytes = std::fs::read(&path).expect("a file");
        let home = env!("CARGO_MANIFEST_DIR").as_bytes();
        let has_path = bytes.windows(home.len()).any(|window| window == home);
        assert!(!has_path, "no paths");
        let file = dacapo::GraphFile::read(&bytes).expect("a capture file");
        let stored = |read_only| {
            let buffers = file.buffers().iter();
            let buffers = buffers.filter(|it| it.read_only == read_only && it.stored);
            buffers.count()
        };
        (
            file.nodes().len() as u64,
            stored(true),
            stored(false),
            size(&path),
        )
    };
    let plain = save("plain", &[]);
    let all = save("all", &["--prompt", "the", "--with-contents"]);
    let state = save("state", &["--prompt", "the", "--with-contents=state"]);
    let report = json(["graph", &model(), "--json"]);
    assert_eq!(plain.0, number(&report, "dispatches_captured"));
    assert_eq!((plain.1, plain.2), (0, 0));
    assert!(all.1 > 0 && all.2 > 0 && state.1 == 0 && state.2 == all.2);
    assert!(plain.3 < state.3 && state.3 < all.3);
    let weights = size(Path::new(&model()));
    assert!(all.3 > weights / 2, "{} of {weights} bytes", all.3);
}

#[test]
fn what_does_not_fit_together_is_wrong_usage() {
    for (arguments, expected) in [
        (vec!["--svg", "-", "--json"], "only one of --json, --svg -"),
        (vec!["--with-contents"], "--save"),
        (
            vec!["--save", "x", "--with-contents=some"],
            "[possible values: all, state]",
        ),
    ] {
        let model = model();
        let ended = run(["graph", &model].into_iter().chain(arguments));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
    let ended = run(["graph", &model(), "--svg", "no/such/folder/a.svg"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.starts_with("error: no/such/folder/a.svg: "),
        "{ended:?}"
    );
}

/// Each explanation against the plan that `graph` prints.
#[test]
fn every_node_of_a_plan_is_explained() {
    let text = output(["graph", &model()]);
    let (_, plan) = text.split_once("\nplan: ").expect("a plan");
    let report = json(["graph", &model(), "--json"]);
    let count = number(&report, "dispatches_after_fusion");
    let mut wave = 0;
    let mut node = 0;
    let mut nearly = 0;
    let mut lines = plan.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("wave ") {
            let number = rest
                .split(',')
                .next()
                .and_then(|number| number.parse().ok());
            wave = number.expect("a number");
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], node.to_string(), "{line}");
        let page = output(["graph", &model(), "--explain", words[0]]);
        let last = count - 1;
        assert!(
            page.starts_with(&format!(
                "node           {node} of 0 to {last}: {}",
                words[1]
            )),
            "{page}"
        );
        assert!(
            page.contains(&format!("\nwave           {wave} of 0 to ")),
            "{page}"
        );
        // What is bound, with the same names.
        for bound in words.iter().filter(|word| word.contains("..")) {
            assert!(page.contains(&format!("{bound} ")), "{bound}\n{page}");
        }
        assert!(
            page.lines().all(|line| line.chars().count() <= 80),
            "{page}"
        );
        let waits = between(&page, "waits for", "awaited by");
        assert_eq!(waits.contains("nothing"), wave == 0, "{page}");
        assert!(
            wave == 0 || waits.contains(&format!("(wave {})", wave - 1)),
            "{page}"
        );
        let awaited = between(&page, "awaited by", "captured as");
        assert_eq!(awaited.contains("nothing"), node == last, "{page}");
        // Below a fused node is what it stands for.
        if let Some(parts) = lines.next_if(|line| line.trim_start().starts_with("= ")) {
            let parts = parts.trim_start().trim_start_matches("= ");
            let (parts, _) = parts.rsplit_once("  (rule ").expect("a rule");
            for part in parts.split(" + ") {
                assert!(page.contains(part), "{part}\n{page}");
            }
            assert!(page.contains("fused by the rule"), "{page}");
        }
        nearly += page.matches("; not, because").count();
        node += 1;
    }
    assert_eq!(node, count);
    let misses = report["near_misses"].as_array().expect("a list");
    assert_eq!(nearly > 0, !misses.is_empty(), "{misses:?}");
}

/// What stands between two subjects, in one line.
fn between(page: &str, first: &str, last: &str) -> String {
    let (_, rest) = page.split_once(&format!("\n{first} ")).expect("a section");
    let (found, _) = rest.split_once(&format!("\n{last} ")).expect("another");
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_cannot_be_explained_is_said() {
    let count = number(
        &json(["graph", &model(), "--json"]),
        "dispatches_after_fusion",
    );
    let ended = run(["graph", &model(), "--explain", &count.to_string()]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let expected = format!(
        "node {count} is not in the plan; it has nodes 0 to {}",
        count - 1
    );
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    for other in [&["--json"][..], &["--svg", "x"], &["--save", "-"]] {
        let mut arguments = vec!["graph".to_owned(), model(), "--explain".into(), "0".into()];
        arguments.extend(other.iter().map(|text| (*text).to_owned()));
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{other:?}: {}", ended.stderr);
    }
}
