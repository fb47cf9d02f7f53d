//! `profile`.

use std::path::Path;

use serde_json::Value;

use crate::run::{dacapo, ended, json, output, run, scratch, tiny};

fn model() -> String {
    tiny("llama-gqa.q4_1.gguf")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let found = value[key].as_array();
    found.unwrap_or_else(|| panic!("{key} in {value}"))
}

fn number(value: &Value, key: &str) -> u64 {
    let found = value[key].as_u64();
    found.unwrap_or_else(|| panic!("{key} in {value}"))
}

/// The submissions of a label.
fn labelled<'p>(profile: &'p Value, label: &str) -> Vec<&'p Value> {
    let submissions = list(profile, "submissions").iter();
    submissions.filter(|it| it["label"] == label).collect()
}

/// Runs the program with so many columns.
fn in_columns(columns: usize, arguments: &[&str]) -> String {
    let mut command = dacapo();
    command.args(arguments).env("COLUMNS", columns.to_string());
    let ended = ended(&mut command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout
}

#[test]
fn a_profile_of_the_processor_holds_together() {
    a_profile_holds_together("cpu");
}

/// `DACAPO_TEST_VULKAN` says whether there must be a device (`require`).
#[test]
fn a_profile_of_a_vulkan_device_holds_together() {
    let there = run(["devices"]).stdout.contains("vulkan ");
    let wish = std::env::var("DACAPO_TEST_VULKAN").unwrap_or_default();
    assert!(there || wish != "require", "no Vulkan device");
    if there && wish != "off" {
        a_profile_holds_together("vulkan");
    }
}

fn a_profile_holds_together(device: &str) {
    let file = scratch(&format!("profile-{device}")).join("p.json");
    let model = model();
    let arguments = [
        "profile",
        &model,
        "--device",
        device,
        "--tokens",
        "6",
        "--prompt-tokens",
        "9",
        "--repeat",
        "2",
        "--json",
        text(&file),
    ];
    let report = in_columns(80, &arguments);
    let saved = std::fs::read_to_string(&file).expect("the file");
    let profile: Value = serde_json::from_str(&saved).expect("JSON");
    assert_eq!(profile["device"]["backend"], device);
    let title = "llama-gqa.q4_1.gguf: 6 decode steps after 9 tokens";
    assert_eq!(profile["title"], title);
    assert_eq!(profile["level"], "dispatches");
    assert_eq!(profile["distortion"]["label"], "decode");

    // Each round puts the prompt through in one pass; steps in flight when it ends were submitted, too.
    let (prefill, decode) = (labelled(&profile, "prefill"), labelled(&profile, "decode"));
    assert_eq!(prefill.len(), 2);
    assert!((12..=16).contains(&decode.len()), "{}", decode.len());
    let graph = json(["graph", &model, "--device", device, "--json"]);
    let (start, end) = (number(&profile, "start_ns"), number(&profile, "end_ns"));
    for step in decode {
        let dispatches = list(step, "dispatches");
        assert_eq!(
            dispatches.len() as u64,
            number(&graph, "dispatches_after_fusion")
        );
        let last = dispatches.last().expect("a dispatch");
        assert_eq!(number(last, "wave") + 1, number(&graph, "waves"));
        assert_eq!(step["failed"], false);
        let (began, ended) = (number(step, "start_ns"), number(step, "end_ns"));
        assert!(start <= number(step, "opened_ns") && began <= ended);
        assert!(number(step, "completed_ns") <= end);
        let scopes: Vec<&Value> = dispatches
            .iter()
            .map(|it| &list(&profile, "scopes")[number(it, "scope") as usize])
            .collect();
        for layer in ["layer 0", "layer 1"] {
            assert!(
                scopes.iter().any(|it| it[0] == layer),
                "{layer} in {scopes:?}"
            );
        }
    }
    for part in [
        title,
        "\ndecode: ",
        "where it goes",
        "decode by operation",
        "decode by kernel",
        "decode by layer",
        "\nlayer 1 ",
        "prefill by kernel",
        "what fused operations stand for",
        "decode, critical path",
        "each dispatch: decode takes ",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
    // What was saved says the same.
    assert_eq!(in_columns(80, &["profile", "--from", text(&file)]), report);
    for columns in [80, 120, 160] {
        let report = in_columns(columns, &["profile", "--from", text(&file)]);
        for line in report.lines().filter(|line| !line.starts_with("  ")) {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn submissions_alone_have_no_dispatches() {
    let arguments = ["--tokens", "4", "--prompt", "the", "--level", "submissions"];
    let model = model();
    let profile = json(["profile", &model, "--json", "-"].iter().chain(&arguments));
    assert_eq!(profile["level"], "submissions");
    assert!(profile["distortion"].is_null());
    let submissions = list(&profile, "submissions");
    assert!(submissions.len() >= 5);
    assert!(
        submissions
            .iter()
            .all(|it| list(it, "dispatches").is_empty())
    );
    let report = output(["profile", &model].iter().chain(&arguments));
    assert!(
        report.contains("submissions only") && !report.contains("by kernel"),
        "{report}"
    );
}

#[test]
fn without_graphs_the_steps_are_the_same_operations() {
    let model = model();
    let short = ["--tokens", "2", "--prompt-tokens", "3", "--json", "-"];
    let dispatches = |more: &[&str]| {
        let profile = json(["profile", &model].iter().chain(&short).chain(more));
        list(labelled(&profile, "decode")[0], "dispatches").len()
    };
    let captured = json(["graph", &model, "--json"]);
    let captured = number(&captured, "dispatches_captured") as usize;
    assert_eq!(dispatches(&["--no-graph"]), captured);
    assert_eq!(dispatches(&["--no-fuse"]), captured);
}

#[test]
fn saved_profiles_are_compared() {
    let folder = scratch("profile-compare");
    let (a, b) = (folder.join("a.json"), folder.join("b.json"));
    let (model, a, b) = (model(), text(&a), text(&b));
    let short = [
        "profile",
        &model,
        "--tokens",
        "8",
        "--prompt-tokens",
        "3",
        "--json",
    ];
    output(short.iter().chain(&[a]));
    output(short.iter().chain(&[b, "--no-fuse"]));
    let same = output(["profile", "--compare", a, a]);
    assert!(!same.contains("note:"), "{same}");
    assert!(
        same.contains("1.000") && same.contains("no difference"),
        "{same}"
    );
    assert!(
        !same.contains(" faster\n") && !same.contains(" slower\n"),
        "{same}"
    );
    let differ = output(["profile", "--compare", a, b]);
    assert!(
        differ.contains("note: different titles: ") && differ.contains(", not fused\""),
        "{differ}"
    );
    // Fused away, and back.
    assert!(
        differ.contains(" not there\n") && differ.contains(" new\n"),
        "{differ}"
    );
    for columns in [80, 120] {
        let report = in_columns(columns, &["profile", "--compare", a, b]);
        for line in report.lines().filter(|line| !line.starts_with("note: ")) {
            assert!(
                line.chars().count() <= columns.max(a.len() + 3),
                "{columns}: {line}"
            );
        }
    }
}

/// A profile in which each step takes a nanosecond longer than the one before, by hand.
fn made_up(steps: u64, time: u64) -> String {
    let step = |at: u64| {
        let start = at * 10_000_000;
        let times = [
            start,
            start + 10,
            start + 100,
            start + 100 + time + at,
            start + 9_000_000,
        ];
        let [opened, committed, begun, ended, seen] = times;
        format!(
            r#"{{"number":{at},"label":"decode","opened_ns":{opened},"committed_ns":{committed},
            "start_ns":{begun},"end_ns":{ended},"completed_ns":{seen},"failed":false,"counters":{{}},
            "dispatches":[{{"kernel":0,"scope":0,"wave":0,"read":1000000,"written":0,"operations":0,
            "start_ns":{begun},"end_ns":{ended}}}]}}"#
        )
    };
    let steps: Vec<String> = (0..steps).map(step).collect();
    format!(
        r#"{{"version":1,"title":"by hand","device":{{"name":"d","backend":"cpu","kind":"CPU","compute_units":1}},
        "level":"dispatches","clock_error_ns":5,"start_ns":0,"end_ns":1000000000,"kernels":[{{"name":"k","op":"o"}}],
        "scopes":[[]],"causes":[],"fused":[],"spans":[],"counters":{{}},"submissions":[{}],
        "peaks":{{"read_bytes_per_second":2e9,"copy_bytes_per_second":1e9,"f32_operations_per_second":1e9,
        "f16_matrix_operations_per_second":null,"dispatch_ns":100,"barrier_ns":200,"launch_ns":300,
        "round_trip_ns":400}}}}"#,
        steps.join(",")
    )
}

#[test]
fn known_times_come_out_as_they_are() {
    let folder = scratch("profile-made-up");
    let file = |name: &str, steps, time| {
        let path = folder.join(name);
        std::fs::write(&path, made_up(steps, time)).expect("a file");
        text(&path).to_owned()
    };
    let (one, two) = (
        file("one.json", 8, 1_000_000),
        file("two.json", 8, 2_000_000),
    );
    let report = in_columns(120, &["profile", "--from", &one]);
    // A megabyte in a millisecond is a gigabyte in a second: half of the peak.
    for part in [
        "agree to 5 ns",
        "\ndecode           8  1.00 ms  1.00 ms  1.00 ms  1.00 ms    10.00 ms           1      1\n",
        "at 1.00 GB/s: 50 % of the peak\nat the peaks it would take 500.0 us: 5.6 % of the time",
        "bandwidth",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
    assert!(!report.contains("passes"), "{report}");
    let passes = folder.join("passes.json");
    let level = r#""level":"dispatches""#;
    let timed = format!(r#"{level},"timed":"one_pass_each""#);
    let changed = made_up(8, 1_000_000).replace(level, &timed);
    std::fs::write(&passes, changed).expect("a file");
    let report = in_columns(80, &["profile", "--from", text(&passes)]);
    let row = "\npasses   one for each timed dispatch, as this device needs: none overlap\n";
    assert!(report.contains(row), "{report}");
    let comparison = output(["profile", "--compare", &one, &two]);
    assert!(
        comparison.contains("2.000") && comparison.contains(" slower\n"),
        "{comparison}"
    );
    let comparison = output(["profile", "--compare", &two, &one]);
    assert!(
        comparison.contains("0.500") && comparison.contains(" faster\n"),
        "{comparison}"
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = scratch("profile-errors");
    let write = |name: &str, bytes: &str| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        text(&path).to_owned()
    };
    let whole = made_up(2, 1000);
    let cut = write("cut.json", &whole[..whole.len() / 2]);
    let newer = write(
        "newer.json",
        &whole.replace(r#""version":1"#, r#""version":2"#),
    );
    let index = write(
        "index.json",
        &whole.replace(r#""kernel":0"#, r#""kernel":7"#),
    );
    let missing = folder.join("missing.json");
    for (file, words) in [
        (cut.as_str(), "not a profile"),
        (&newer, "version 2"),
        (
            &index,
            "submissions[0].dispatches[0].kernel is 7, and there are 1",
        ),
        (text(&missing), "os error"),
        (text(&folder), "os error"),
    ] {
        for arguments in [&["--from", file][..], &["--compare", file, file]] {
            let ended = run(["profile"].iter().chain(arguments));
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(
                ended.stderr.starts_with(&format!("error: {file}: ")),
                "{ended:?}"
            );
            assert!(ended.stderr.contains(words), "{words}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        }
    }
    let model = model();
    let nowhere = [
        "profile",
        &model,
        "--tokens",
        "1",
        "--json",
        "no/such/folder/p.json",
    ];
    let ended = run(nowhere);
    assert!(
        ended.stderr.starts_with("error: no/such/folder/p.json: "),
        "{ended:?}"
    );
    for arguments in [
        &["--compare", "a"][..],
        &["--from", "a", &model],
        &["--tokens", "0"],
        &["--level", "all"],
        &["--prompt", "a", "--prompt-tokens", "3"],
    ] {
        let ended = run(["profile"].iter().chain(arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    }
    let ended = run([
        "profile",
        &model,
        "--context",
        "10",
        "--prompt-tokens",
        "20",
    ]);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("context is full"),
        "{ended:?}"
    );
}

/// What is in these files is tested where they are made.
#[test]
fn traces_and_pages_are_written_of_a_saved_profile() {
    let folder = scratch("profile-files");
    let path = |name: &str| folder.join(name);
    let (saved, trace, page) = (path("p.json"), path("t.json"), path("p.html"));
    let model = model();
    let measure = [
        "profile", &model, "--device", "cpu", "--tokens", "3", "--json",
    ];
    output(measure.into_iter().chain([text(&saved)]));
    let files = [
        "profile",
        "--from",
        text(&saved),
        "--trace",
        text(&trace),
        "--html",
        text(&page),
    ];
    let report = output(files);
    assert_eq!(report, output(["profile", "--from", text(&saved)]));

    let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
    let profile: Value = serde_json::from_str(&read(&saved)).expect("JSON");
    let dispatches = list(&profile, "submissions").iter();
    let dispatches: usize = dispatches.map(|it| list(it, "dispatches").len()).sum();
    let events: Value = serde_json::from_str(&read(&trace)).expect("JSON");
    assert!(list(&events, "traceEvents").len() > dispatches);
    let page = read(&page);
    assert!(page.starts_with("<!") && page.trim_end().ends_with("</html>"));

    // One file at a time goes to standard output, and then nothing else does.
    assert_eq!(
        output(["profile", "--from", text(&saved), "--trace", "-"]),
        read(&trace)
    );
    let two = run([
        "profile",
        "--from",
        text(&saved),
        "--trace",
        "-",
        "--html",
        "-",
    ]);
    assert_eq!(two.code, Some(2));
    assert!(two.stderr.contains("only one of"), "{}", two.stderr);
    let nowhere = run([
        "profile",
        "--from",
        text(&saved),
        "--html",
        "/nowhere/p.html",
    ]);
    assert_eq!(nowhere.code, Some(1));
    assert!(
        nowhere.stderr.contains("/nowhere/p.html"),
        "{}",
        nowhere.stderr
    );
}
