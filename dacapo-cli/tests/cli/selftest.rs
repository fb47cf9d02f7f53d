//! `selftest`.

use serde_json::Value;

use crate::run::{dacapo, ended, output, run, scratch};

#[test]
fn results_go_to_the_terminal_and_all_of_it_to_the_report() {
    let file = scratch("selftest-report").join("report.md");
    let path = file.to_str().expect("UTF-8");
    let text = output([
        "selftest",
        "--only",
        "encoder,ops",
        "--quick",
        "--report",
        path,
    ]);
    for word in ["device", "encoder", "softmax", "0 failed", path] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    assert!(!text.contains("hazards"), "{text}");
    let report = std::fs::read_to_string(&file).expect("a report");
    for word in [
        "# dacapo selftest",
        "DACAPO_THREADS",
        "min_binding_alignment",
        "```json",
    ] {
        assert!(report.contains(word), "no {word:?} in {report}");
    }
    assert!(!report.contains("ended early"), "{report}");
}

#[test]
fn a_report_may_be_json_on_standard_output_or_in_a_file() {
    let file = scratch("selftest-json").join("report.json");
    let path = file.to_str().expect("UTF-8");
    output(["selftest", "--only", "counters", "--report", path]);
    let text = std::fs::read_to_string(&file).expect("a report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["format"], 1);
    assert_eq!(report["machine"]["device"]["backend"], "cpu");
    assert!(report["records"].as_array().is_some_and(|records| {
        !records.is_empty() && records.iter().all(|it| it["result"] == "passed")
    }));
    let text = output(["selftest", "--only", "counters", "--report", "-"]);
    assert!(text.starts_with("# dacapo selftest\n"), "{text}");
}

#[test]
fn a_broken_device_ends_with_exit_code_1() {
    let file = scratch("selftest-broken").join("report.md");
    let mut command = dacapo();
    // Nothing puts barriers, which the interpreter reports.
    command
        .env("DACAPO_HAZARDS", "manual")
        .env("DACAPO_LOG", "off")
        .args([
            "selftest",
            "--device",
            "reference",
            "--only",
            "counters,graphs",
        ])
        .arg("--report")
        .arg(&file);
    let ended = ended(&mut command);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("\nfailed: "), "{ended:?}");
    let report = std::fs::read_to_string(&file).expect("a report");
    assert!(report.contains("## Failed"), "{report}");
}

#[test]
fn what_cannot_be_run_is_named() {
    let file = scratch("selftest-refused").join("no/such/report.md");
    let path = file.to_str().expect("UTF-8");
    let unwritable = run(["selftest", "--only", "counters", "--report", path]);
    assert_eq!(unwritable.code, Some(1), "{unwritable:?}");
    assert!(unwritable.stderr.contains("report.md: "), "{unwritable:?}");
    let missing = run(["selftest", "--model", "no/such.gguf", "--report", path]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains("no/such.gguf"), "{missing:?}");
    let unknown = run(["selftest", "--only", "counters,opps", "--report", path]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    for word in ["opps", "counters", "decode"] {
        assert!(unknown.stderr.contains(word), "{unknown:?}");
    }
}
