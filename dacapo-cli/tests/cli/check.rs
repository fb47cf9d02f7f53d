//! `check`: WGSL by flags and by specifications, capture files, models.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Ended, dacapo, ended, output, run, scratch, tiny};

/// Each invocation hands a number to its neighbour; without a barrier, on line 8.
const NEIGHBOUR: &str = "\
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> row: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    row[lane] = x[id.x];
    BARRIER
    y[id.x] = row[(lane + 1u) % 64u];
}
";

/// Doubles numbers, of which the code says how many there are.
const DOUBLE: &str = "\
@group(0) @binding(0) var<storage, read_write> x: array<f32, 16>;
@compute @workgroup_size(16)
fn twice(@builtin(local_invocation_index) i: u32) { x[i] *= 2.0; }
";

/// Two entry points, of which the second reads what the first writes.
const TWO: &str = "\
struct Scale { factor: f32, shift: i32 }
var<immediate> scale: Scale;
override FIRST: u32 = 1;
@group(0) @binding(0) var<storage, read_write> a: array<u32>;
@group(0) @binding(3) var<storage, read_write> b: array<f32>;
@compute @workgroup_size(4)
fn count(@builtin(global_invocation_id) id: vec3<u32>) { a[id.x] = FIRST + id.x; }
@compute @workgroup_size(4)
fn scaled(@builtin(global_invocation_id) id: vec3<u32>) {
    b[id.x] = scale.factor * f32(i32(a[id.x]) + scale.shift);
}
";

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file");
    path
}

/// Checks a file. Builds with debug assertions also log what they know of missing barriers, which is not asked here.
fn check(path: &Path, flags: &[&str]) -> Ended {
    let mut command = dacapo();
    command.env("DACAPO_LOG", "error");
    ended(command.args(["check", text(path)]).args(flags))
}

#[track_caller]
fn finds(ended: &Ended, words: &[&str]) {
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    for word in words {
        assert!(
            ended.stdout.contains(word),
            "no {word:?} in\n{}",
            ended.stdout
        );
    }
}

#[track_caller]
fn cannot(ended: &Ended, words: &[&str]) {
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(2), ""),
        "{ended:?}"
    );
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "no {word:?} in\n{}",
            ended.stderr
        );
    }
}

#[test]
fn a_missing_barrier_is_found_where_it_is_missing() {
    let folder = scratch("check-neighbour");
    let flags = [
        "--groups",
        "2",
        "--buffer",
        "0=512:random",
        "--buffer",
        "1=512",
    ];
    let wrong = file(&folder, "wrong.wgsl", &NEIGHBOUR.replace("BARRIER", ""));
    let ended = check(&wrong, &flags);
    finds(
        &ended,
        &[
            "error[race_in_workgroup]",
            "wrong.wgsl:8:",
            "wrong.wgsl:6:",
            "8 |     y[id.x] = row[(lane + 1u) % 64u];",
            "6 |     row[lane] = x[id.x];",
            "read here",
            "written here",
            "dispatch 0 `main`",
            "\n  = hint: ",
            "wrong.wgsl: 1 fault, ",
        ],
    );
    let right = NEIGHBOUR.replace("BARRIER", "workgroupBarrier();");
    let right = file(&folder, "right.wgsl", &right);
    let said = output(["check", text(&right)].into_iter().chain(flags));
    assert!(said.ends_with("right.wgsl: nothing found\n"), "{said}");
    let mut all = flags.to_vec();
    all.push("--all-orders");
    assert_eq!(check(&right, &all).code, Some(0));
}

#[test]
fn what_runs_shows_its_values() {
    let folder = scratch("check-values");
    let double = file(&folder, "double.wgsl", DOUBLE);
    let ended = check(
        &double,
        &["--buffer", "0=iota", "--print", "0", "--print", "0:hex"],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = "\
slot 0, `x: array<f32, 16>`: 16 times f32
      0   0.0  2.0  4.0  6.0  8.0 10.0 12.0 14.0
      8  16.0 18.0 20.0 22.0 24.0 26.0 28.0 30.0

slot 0, `x: array<f32, 16>`: 16 times hex
      0  00000000 40000000 40800000 40c00000 41000000 41200000 41400000 41600000
      8  41800000 41900000 41a00000 41b00000 41c00000 41d00000 41e00000 41f00000

";
    assert!(ended.stdout.starts_with(expected), "{}", ended.stdout);
    let json = check(
        &double,
        &["--buffer", "0=f32:1.5", "--print", "0", "--json", "-"],
    );
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["values"][0]["first"][15], "3.0");
    assert_eq!(json["reports"], Value::Array(Vec::new()));
    // A file is shorter than the buffer: the rest is not written.
    std::fs::write(folder.join("some.bin"), [0; 32]).expect("a file");
    let spec = file(
        &folder,
        "some.toml",
        "buffers = [{ slot = 0, fill = 'file:some.bin' }]",
    );
    finds(
        &check(&double, &["--spec", text(&spec)]),
        &["error[uninitialized]", "bytes 32..36 of buffer `x`"],
    );
}

#[test]
fn a_specification_beside_the_file_is_used() {
    let folder = scratch("check-spec");
    let two = file(&folder, "two.wgsl", TWO);
    let spec = "
        constants = { FIRST = 3 }
        inline = [{ f32 = 0.5 }, { i32 = -1 }]
        groups = [2, 1, 1]
        buffers = [{ slot = 0, elements = 8 }, { slot = 3, elements = 8, type = 'f32' }]
        [[dispatch]]
        entry = 'count'
        inline = []
        [[dispatch]]
        entry = 'scaled'";
    let path = file(&folder, "two.toml", spec);
    let ended = check(&two, &["--print", "3"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5"),
        "{ended:?}"
    );
    let ended = check(&two, &["--constant", "FIRST=1", "--print", "3"]);
    assert!(ended.stdout.contains("0.0 0.5 1.0 1.5"), "{ended:?}");

    std::fs::write(&path, format!("{spec}\nbarrier = false")).expect("a file");
    finds(
        &check(&two, &[]),
        &[
            "error[race_between_dispatches]",
            "dispatch 1 `scaled`",
            "dispatch 0 `count`",
        ],
    );
    cannot(
        &check(&two, &["--groups", "1"]),
        &["--groups", "lists dispatches"],
    );
    std::fs::write(&path, "grups = [1, 1, 1]").expect("a file");
    cannot(&check(&two, &[]), &["two.toml", "grups"]);
}

#[test]
fn what_depends_on_the_order_of_workgroups_is_found() {
    let folder = scratch("check-order");
    let last = "
        @group(0) @binding(0) var<storage, read_write> last: atomic<u32>;
        @compute @workgroup_size(1)
        fn main(@builtin(workgroup_id) id: vec3<u32>) { atomicStore(&last, id.x); }";
    let last = file(&folder, "last.wgsl", last);
    let one = check(
        &last,
        &["--groups", "9", "--order", "forward", "--print", "0"],
    );
    assert_eq!(one.code, Some(0), "{one:?}");
    assert!(one.stdout.contains("      0  8\n"), "{one:?}");
    let all = check(&last, &["--groups", "9", "--all-orders"]);
    finds(
        &all,
        &[
            "error[order]",
            "at byte 0: 8 when forward, 0 when reverse",
            "1 buffer that",
        ],
    );
}

#[test]
fn what_is_found_goes_to_json() {
    let folder = scratch("check-json");
    let wrong = file(&folder, "wrong.wgsl", &NEIGHBOUR.replace("BARRIER", ""));
    let json = folder.join("found.json");
    let flags = [
        "--buffer",
        "0=256",
        "--buffer",
        "1=256",
        "--json",
        text(&json),
    ];
    let ended = check(&wrong, &flags);
    finds(&ended, &["error[race_in_workgroup]"]);
    let found = std::fs::read(&json).expect("a file");
    let found: Value = serde_json::from_slice(&found).expect("JSON");
    let report = &found["reports"][0];
    assert_eq!(report["kind"], "race_in_workgroup");
    assert_eq!(report["party"]["site"]["line"], 8);
    assert_eq!(report["other"]["site"]["line"], 6);
    assert_eq!(report["party"]["access"], "read");
    assert_eq!(
        (&found["orders"][0], &found["dropped"]),
        (&"parallel".into(), &0.into())
    );
    assert_eq!(found["stopped"], Value::Null);
    let page = include_str!("../../../docs/checker.md");
    let (_, rest) = page.split_once("```json\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let example: Value = serde_json::from_str(example).expect("JSON");
    let keys = |value: &Value| {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&found), keys(&example));
}

#[test]
fn loops_that_do_not_end_are_stopped() {
    let folder = scratch("check-runaway");
    let runaway = "
        @group(0) @binding(0) var<storage, read_write> x: array<u32, 1>;
        @compute @workgroup_size(1)
        fn main() { loop { x[0] += 1u; if x[0] == 0u { break; } } }";
    let runaway = file(&folder, "runaway.wgsl", runaway);
    finds(
        &check(&runaway, &["--steps", "10000", "--buffer", "0=zero"]),
        &["error[runaway]", "stopped early"],
    );
}

#[test]
fn what_cannot_be_checked_is_explained() {
    let folder = scratch("check-cannot");
    let neighbour = file(&folder, "a.wgsl", &NEIGHBOUR.replace("BARRIER", ""));
    let missing = [
        "slot 0, `x: array<f32>`",
        "slot 1, `y: array<f32>`",
        "--buffer SLOT=BYTES",
    ];
    cannot(&check(&neighbour, &[]), &missing);
    let slot = check(
        &neighbour,
        &["--buffer", "0=4", "--buffer", "1=4", "--buffer", "2=4"],
    );
    cannot(&slot, &["slot 2", "0, 1"]);
    cannot(
        &check(&neighbour, &["--entry", "other"]),
        &["other", "main"],
    );
    let two = file(&folder, "two.wgsl", TWO);
    cannot(&check(&two, &[]), &["--entry NAME", "count, scaled"]);
    let inline = ["--entry", "scaled", "--buffer", "0=16", "--buffer", "3=16"];
    cannot(&check(&two, &inline), &["takes 8 bytes", "0 are given"]);
    let invalid = "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }";
    let invalid = file(&folder, "invalid.wgsl", invalid);
    cannot(&check(&invalid, &[]), &["invalid.wgsl:1:", "^", "u32"]);
    let uniform = "
        @group(0) @binding(0) var<uniform> x: u32;
        @compute @workgroup_size(1) fn main() { let y = x; }";
    let uniform = file(&folder, "uniform.wgsl", uniform);
    cannot(
        &check(&uniform, &[]),
        &["uniform.wgsl:2:", "a uniform buffer"],
    );
    let typo = file(&folder, "typo.wgsl", "fn main() { let x = y; }");
    cannot(
        &check(&typo, &[]),
        &["error: no definition in scope", "typo.wgsl:1:21", "^"],
    );
    cannot(&check(&folder.join("none.wgsl"), &[]), &["none.wgsl"]);
    std::fs::write(folder.join("bytes.wgsl"), b"ab\xff").expect("a file");
    cannot(&check(&folder.join("bytes.wgsl"), &[]), &["offset 2"]);
    cannot(&check(&typo, &["--fill", "1"]), &["--fill", "--buffer"]);
    cannot(&check(&typo, &["--tokens", "1"]), &["--tokens"]);
    cannot(
        &run(["check", "--model", "m", "--groups", "1"]),
        &["--groups"],
    );
    cannot(&run(["check"]), &["FILE"]);
    for flags in [
        ["--subgroup", "12"],
        ["--order", "backward"],
        ["--buffer", "0"],
        ["--groups", "1,2,3,4"],
        ["--inline", "abc"],
        ["--constant", "X"],
        ["--print", "x"],
    ] {
        cannot(&check(&neighbour, &flags), &[flags[0]]);
    }
    let (last, damaged) = (folder.join("last.dacapo"), b"DACAPOGR\x01\0\0\0");
    std::fs::write(&last, damaged).expect("a file");
    cannot(&check(&last, &[]), &["last.dacapo"]);
    cannot(
        &check(&last, &["--buffer", "0=4"]),
        &["--buffer", "capture file"],
    );
}

#[test]
fn a_model_and_its_capture_are_silent() {
    let folder = scratch("check-model");
    let model = tiny("llama-gqa.q4_1.gguf");
    let said = output(["check", "--model", &model, "--tokens", "2"]);
    assert!(said.ends_with(".gguf: nothing found\n"), "{said}");
    let step = folder.join("step.dacapo");
    let graph = [
        "graph",
        &model,
        "--device",
        "reference",
        "--save",
        text(&step),
    ];
    output(
        graph
            .into_iter()
            .chain(["--with-contents", "--prompt", "ab"]),
    );
    let said = output(["check", text(&step)]);
    assert!(said.ends_with("step.dacapo: nothing found\n"), "{said}");
}
