//! `devices` and what it measures.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::run::{Ended, dacapo, ended, scratch};

/// The program with a cache folder of its own.
fn with_cache(folder: &Path) -> Command {
    let mut command = dacapo();
    // The second and third are for systems that know no first.
    command
        .env("XDG_CACHE_HOME", folder)
        .env("HOME", folder)
        .env("LOCALAPPDATA", folder);
    command
}

fn listing(command: &mut Command) -> Value {
    let ended = succeeded(ended(command));
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn succeeded(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn cpu(listing: &Value) -> &Value {
    let devices = listing["devices"].as_array().expect("a list");
    let cpu = devices.iter().find(|device| device["backend"] == "cpu");
    cpu.expect("the CPU is always there")
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[test]
fn what_was_measured_is_kept_and_shown() {
    let folder = scratch("devices-measure");
    let run = |arguments: &[&str]| listing(with_cache(&folder).args(arguments));
    assert_eq!(cpu(&run(&["devices", "--json"]))["peaks"], Value::Null);

    let measured = run(&["devices", "--measure", "--device", "cpu", "--json"]);
    let peaks = &cpu(&measured)["peaks"];
    let figure = |name: &str| peaks[name].as_f64().expect("a number");
    // Any processor of this century.
    assert!(figure("read_bytes_per_second") > 1e8);
    assert!(figure("copy_bytes_per_second") > 1e8);
    assert!(figure("f32_operations_per_second") > 1e8);
    assert!(figure("round_trip_ns") > figure("dispatch_ns"));
    assert_eq!(peaks["f16_matrix_operations_per_second"], Value::Null);
    // Nothing but the device that was chosen.
    let devices = measured["devices"].as_array().expect("a list");
    let known = devices.iter().filter(|device| device["peaks"].is_object());
    assert_eq!(known.count(), 1);

    assert_eq!(&cpu(&run(&["devices", "--json"]))["peaks"], peaks);
    // Another number of threads is another device.
    let other = run(&["devices", "--threads", "1", "--json"]);
    assert_eq!(cpu(&other)["compute_units"], 1);
    assert_eq!(cpu(&other)["peaks"], Value::Null);

    let table = succeeded(ended(with_cache(&folder).arg("devices"))).stdout;
    let at = table
        .lines()
        .position(|line| line.starts_with("measured: "));
    let lines: Vec<&str> = table.lines().skip(at.expect("a table") + 1).collect();
    assert!(lines[0].starts_with("index  "), "{table}");
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(cells.len(), 9, "{table}");
    let read: f64 = cells[1].parse().expect("a number");
    let exact = figure("read_bytes_per_second") / 1e9;
    assert!((read - exact).abs() <= 0.01 * exact, "{table}");
    assert_eq!(cells[4], "-");
    assert!(table.lines().all(|line| line.len() <= 80), "{table}");
}

#[test]
fn a_damaged_file_is_ignored_with_a_warning_and_replaced() {
    let folder = scratch("devices-damaged");
    let measure = ["devices", "--measure", "--device", "cpu", "--json"];
    listing(with_cache(&folder).args(measure));
    let kept: Vec<_> = files(&folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    let [file] = &kept[..] else {
        panic!("one file, not {kept:?}")
    };
    std::fs::write(file, "{\"version\": 1").expect("a damaged file");

    let ended = succeeded(ended(with_cache(&folder).args(["devices", "--json"])));
    let shown: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(cpu(&shown)["peaks"], Value::Null);
    assert!(
        ended.stderr.contains("WARN") && ended.stderr.contains("ignoring measured peaks"),
        "{}",
        ended.stderr
    );
    let measured = listing(with_cache(&folder).args(measure));
    assert!(cpu(&measured)["peaks"].is_object());
    let shown = listing(with_cache(&folder).args(["devices", "--json"]));
    assert_eq!(cpu(&shown)["peaks"], cpu(&measured)["peaks"]);
}

#[test]
fn a_device_that_is_not_there_cannot_be_measured() {
    let ended = ended(dacapo().args(["devices", "--measure", "--device", "no such device"]));
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, "");
    assert!(
        ended
            .stderr
            .contains("no device matches name \"no such device\""),
        "{}",
        ended.stderr
    );
}

#[test]
fn without_a_cache_folder_figures_are_shown_once() {
    let folder = scratch("devices-nowhere");
    let mut command = with_cache(&folder);
    for name in ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA", "USERPROFILE"] {
        command.env_remove(name);
    }
    command.args(["devices", "--measure", "--device", "cpu", "--json"]);
    let ended = succeeded(ended(&mut command));
    assert!(ended.stderr.contains("no cache folder"), "{}", ended.stderr);
    let shown: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert!(cpu(&shown)["peaks"].is_object());
}
