//! `replay`: capture files of models, and of operations that run on every device.

use std::path::{Path, PathBuf};

use dacapo::{
    Access, Backend, BufferOptions, Contents, Device, DeviceOptions, DeviceSelector, FileOptions,
    Graph, Grid, KernelSource, MemoryKind, Wgsl,
};
use dacapo_ops::Ops;
use dacapo_ops::dtype::DType;
use dacapo_ops::tensor::Tensor;
use dacapo_selftest::kit::gpu;
use serde_json::Value;

use crate::run::{Ended, json, output, run, scratch, tiny};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A model's decode step behind some text, with all that it reads.
fn decode_step(folder: &Path, device: &str) -> PathBuf {
    let path = folder.join(format!("{device}.dacapo"));
    let model = tiny("llama-gqa.q4_1.gguf");
    let arguments = ["graph", &model, "--device", device, "--prompt", "abc"];
    let save = ["--save", text(&path), "--with-contents"];
    output(arguments.into_iter().chain(save));
    path
}

/// Whether Vulkan is to be tested here.
fn has_vulkan() -> bool {
    let options = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Vulkan),
        ..DeviceOptions::default()
    };
    gpu(Backend::Vulkan, &options).is_some()
}

/// The last bytes that a buffer of this label has, as the report names them.
fn checksum<'r>(report: &'r Value, label: &str) -> &'r str {
    let buffers = report["buffers"].as_array().expect("a list");
    let found = buffers.iter().find(|buffer| buffer["label"] == label);
    found.expect("the buffer")["checksum"]
        .as_str()
        .expect("a text")
}

/// The step as it was captured gives the token that `generate` gives, which the checksum of its four bytes tells.
#[test]
fn a_decode_step_runs_again() {
    let folder = scratch("replay-decode");
    let path = decode_step(&folder, "cpu");
    let report = json(["replay", text(&path), "--trust", "--times", "3", "--json"]);
    assert_eq!(report["backend"], "cpu");
    let times = report["times_us"].as_array().expect("a list");
    assert!(times.len() == 3 && times.iter().all(|time| time.as_f64() > Some(0.0)));
    let number = |key: &str| report[key].as_u64().expect("a number");
    assert!(number("dispatches") < number("nodes") && number("waves") > 1);
    assert!(number("stored") < number("buffers_in_file"));

    // Fused or not, in program order or not, the step samples the same token.
    let plain = ["--no-fuse", "--no-reorder"];
    let arguments = ["replay", text(&path), "--trust", "--times", "3", "--json"];
    let unfused = json(arguments.into_iter().chain(plain));
    assert_eq!(unfused["dispatches"], unfused["nodes"]);
    assert_eq!(checksum(&unfused, "sampled"), checksum(&report, "sampled"));
    // More steps change what is in the cache.
    let once = json(["replay", text(&path), "--trust", "--json"]);
    assert_ne!(checksum(&once, "cache"), checksum(&report, "cache"));

    let table = output(["replay", text(&path), "--trust", "--times", "3"]);
    for part in [
        "plan ",
        "contents  in the file, of ",
        "median of 3",
        "sampled",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }
    assert!(table.contains(checksum(&report, "sampled")), "{table}");
    assert!(
        table.ends_with('\n') && table.lines().all(|line| line.len() <= 80),
        "{table}"
    );
}

#[test]
fn a_decode_step_is_verified() {
    let folder = scratch("replay-verify");
    let mut devices = vec!["cpu"];
    devices.extend(has_vulkan().then_some("vulkan"));
    for device in devices {
        let path = decode_step(&folder, device);
        let arguments = ["replay", text(&path), "--trust", "--device", device];
        let report = json(arguments.into_iter().chain(["--verify", device, "--json"]));
        let compared = report["verified"]["buffers"].as_array().expect("a list");
        assert!(compared.len() > 8, "{report}");
        assert!(
            compared.iter().all(|it| it["outcome"] == "equal"),
            "{report}"
        );
        let table = output(arguments.into_iter().chain(["--verify", device]));
        assert!(
            table.contains("\nagainst   ") && table.ends_with('\n'),
            "{table}"
        );
        // Without trust a GPU does the same, with checks.
        if device == "vulkan" {
            let checked = json(["replay", text(&path), "--device", device, "--json"]);
            assert_eq!(checksum(&checked, "sampled"), checksum(&report, "sampled"));
        }
    }
}

/// Operations with a form for every device: a norm, products and sums of elements, a gate.
fn operations(path: &Path) {
    let device = Device::open(&DeviceOptions::cpu()).expect("the CPU");
    let ops = Ops::new(&device).expect("operations");
    let tensor = |label: &str, seed: f32| {
        let options = BufferOptions {
            len: 4 * 64 * 96,
            kind: MemoryKind::DeviceLocal,
            label,
        };
        let buffer = device.buffer_with(&options).expect("memory");
        let numbers: Vec<f32> = (0..64 * 96).map(|at| (at as f32 * seed).sin()).collect();
        buffer.write(&numbers).expect("a write");
        Tensor::new((*buffer).clone(), DType::F32, &[64, 96]).expect("a tensor")
    };
    let [x, y, gated] = [("x", 0.7), ("y", 1.3), ("gated", 0.1)].map(|(l, s)| tensor(l, s));
    let graph = Graph::capture(&device, |encoder| {
        ops.add.encode(encoder, &x, &y)?;
        ops.mul.encode(encoder, &y, &x)?;
        ops.silu_mul.encode(encoder, &x, &y, &gated)
    });
    let graph = graph.expect("a graph");
    save(&graph, path);
}

fn save(graph: &Graph, path: &Path) {
    let options = FileOptions {
        contents: Contents::ReadFirst,
        ..FileOptions::default()
    };
    let bytes = graph.to_file(&options).expect("a file");
    std::fs::write(path, bytes).expect("a file");
}

#[test]
fn the_cpu_agrees_with_vulkan() {
    if !has_vulkan() {
        return;
    }
    let path = scratch("replay-devices").join("operations.dacapo");
    operations(&path);
    let arguments = ["replay", text(&path), "--trust", "--device", "cpu"];
    let report = json(
        arguments
            .into_iter()
            .chain(["--verify", "vulkan", "--json"]),
    );
    assert_eq!(report["verified"]["backend"], "vulkan");
    let compared = report["verified"]["buffers"].as_array().expect("a list");
    assert_eq!(compared.len(), 3, "{report}");
    // Sums are the same on every device; exponentials differ in their last digits.
    for compared in compared {
        match compared["label"].as_str() {
            Some("gated") => {
                let close = &compared["outcome"]["close"];
                let share = close["share"].as_f64();
                let equal = compared["outcome"] == "equal";
                assert!(
                    equal || (close["kind"] == "f32" && share < Some(1e-5)),
                    "{report}"
                );
            }
            _ => assert_eq!(compared["outcome"], "equal", "{report}"),
        }
    }
}

/// A kernel whose form for GPUs is wrong in one element.
#[test]
fn a_planted_difference_is_found() {
    if !has_vulkan() {
        return;
    }
    const WRONG: &str = "
        @group(0) @binding(0) var<storage, read_write> x: array<f32>;
        @group(0) @binding(1) var<storage, read> y: array<f32>;
        @compute @workgroup_size(1)
        fn main() {
            for (var i = 0u; i < arrayLength(&x); i += 1u) {
                x[i] += select(y[i], 2.0 * y[i], i == 77u);
            }
        }";
    let device = Device::open(&DeviceOptions::cpu()).expect("the CPU");
    // It has the name and the declaration of an operation, whose native form runs on the CPU.
    let source = KernelSource::new("add")
        .binding::<f32>(0, Access::ReadWrite)
        .binding::<f32>(1, Access::Read)
        .cpu(|_| Ok(()))
        .wgsl(Wgsl::new(WRONG));
    let kernel = device.kernel(&source).expect("a kernel");
    let [x, y] = ["x", "y"].map(|label| {
        let options = BufferOptions {
            len: 4 * 128,
            kind: MemoryKind::DeviceLocal,
            label,
        };
        let buffer = device.buffer_with(&options).expect("memory");
        buffer.write(&[0.5f32; 128]).expect("a write");
        buffer
    });
    let graph = Graph::capture(&device, |encoder| {
        encoder.dispatch(&kernel, (&x, &y), Grid::groups([1, 1, 1]))
    });
    let graph = graph.expect("a graph");
    let path = scratch("replay-planted").join("wrong.dacapo");
    save(&graph, &path);
    let arguments = ["replay", text(&path), "--trust", "--verify", "vulkan"];
    let ended = run(arguments);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("byte 308: 1.0, 1.5"),
        "{}",
        ended.stdout
    );
    let expected = "1 of 1 buffers differ; the first, 0 \"x\", at byte 308: 1.0 here and 1.5 on";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    // It is the third of what is there: so much may be tolerated, if one says so.
    let tolerant = run(arguments.into_iter().chain(["--tolerance", "0.4"]));
    assert_eq!(tolerant.code, Some(0), "{tolerant:?}");
}

fn refused(ended: &Ended, expected: &[&str]) {
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for part in expected {
        assert!(ended.stderr.contains(part), "{part}\n{}", ended.stderr);
    }
}

#[test]
fn files_that_cannot_be_run_are_explained() {
    let folder = scratch("replay-refused");
    let path = decode_step(&folder, "cpu");
    let good = std::fs::read(&path).expect("the file");
    let other = folder.join("other.dacapo");
    let replay = |bytes: &[u8]| {
        std::fs::write(&other, bytes).expect("a file");
        run(["replay", text(&other), "--trust"])
    };
    let mut damaged = good.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    refused(
        &replay(&damaged),
        &["other.dacapo", "checksum of the contents"],
    );
    refused(
        &replay(&good[..good.len() / 2]),
        &["other.dacapo", "cut short"],
    );
    refused(&replay(b"GGUF and more"), &["no capture file", "DACAPOGR"]);
    refused(&run(["replay", text(&folder.join("none"))]), &["none"]);

    // Native kernels trust their arguments.
    let untrusted = run(["replay", text(&path)]);
    refused(
        &untrusted,
        &["only with --trust", "native form that is not in the file"],
    );
    // A kernel that this program has not.
    let device = Device::open(&DeviceOptions::cpu()).expect("the CPU");
    let source = KernelSource::new("someone's own")
        .binding::<u8>(0, Access::Write)
        .cpu(|_| Ok(()));
    let kernel = device.kernel(&source).expect("a kernel");
    let buffer = device.buffer(64, MemoryKind::DeviceLocal).expect("memory");
    let graph = Graph::capture(&device, |encoder| {
        encoder.dispatch(&kernel, (&buffer,), Grid::groups([1, 1, 1]))
    });
    save(&graph.expect("a graph"), &other);
    let missing = run(["replay", text(&other), "--trust"]);
    refused(
        &missing,
        &["someone's own", "native form that is not in the file"],
    );
}

#[test]
fn empty_buffers_are_zeros_or_filled() {
    let folder = scratch("replay-fill");
    let path = folder.join("plain.dacapo");
    let model = tiny("llama-gqa.q4_1.gguf");
    output(["graph", &model, "--save", text(&path)]);
    let table = output(["replay", text(&path), "--trust"]);
    assert!(
        table.contains("contents  none in the file; its "),
        "{table}"
    );
    assert!(table.contains("begin with zeros"), "{table}");
    let fill = |seed: &str| json(["replay", text(&path), "--trust", "--fill", seed, "--json"]);
    let (one, same, other) = (fill("1"), fill("1"), fill("2"));
    assert_eq!((&one["stored"], &one["fill"]), (&0.into(), &1.into()));
    assert_eq!(one["buffers"], same["buffers"]);
    assert_ne!(checksum(&one, "logits"), checksum(&other, "logits"));
    let zeros = json(["replay", text(&path), "--trust", "--json"]);
    assert_ne!(checksum(&one, "logits"), checksum(&zeros, "logits"));
}
