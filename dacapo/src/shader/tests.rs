#![allow(unsafe_code, reason = "compiles kernels without checks")]

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::access::Access;
use crate::kernel::{Binding, SharedMemory};

pub(super) const PLAIN: Target = Target {
    spirv_version: (1, 3),
    subgroup_size: 8,
    f16: false,
    cooperative_matrix: None,
    subgroups: true,
    max_immediate_bytes: 128,
    join_access_chains: false,
};

pub(super) const FULL: Target = Target {
    f16: true,
    cooperative_matrix: Some(CooperativeMatrix::Size16),
    ..PLAIN
};

pub(super) const AXPY: &str = "
struct Params { a: f32, count: u32 }
var<immediate> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.count {
        y[id.x] = params.a * x[id.x / 4][id.x % 4] + y[id.x];
    }
}
";

pub(super) const ALL_KINDS: &str = "
override SUBGROUP_SIZE: u32;
override ROWS: u32 = 2;
struct Entry { first: vec3<f32>, second: u32 }
@group(0) @binding(7) var<storage, read_write> only_stored: array<f32>;
@group(0) @binding(3) var<storage, read_write> only_loaded: array<Entry>;
@group(0) @binding(5) var<storage, read> only_measured: array<u32>;
@group(0) @binding(4) var<storage, read_write> counter: atomic<u32>;
@group(0) @binding(2) var<storage, read> through_calls: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read_write> unused: array<f32>;
var<workgroup> rows: array<f32, ROWS * 4>;
var<workgroup> flag: u32;
var<workgroup> unused_rows: array<f32, 1000>;

fn load(index: u32) -> u32 { return through_calls[index].y; }
fn indirect(index: u32) -> u32 { return load(index + arrayLength(&only_measured)); }

@compute @workgroup_size(SUBGROUP_SIZE * ROWS, 2)
fn main(@builtin(local_invocation_index) local: u32) {
    if local == 0 { flag = indirect(0); }
    if local < ROWS * 4 { rows[local] = only_loaded[local].first.x; }
    workgroupBarrier();
    let slot = atomicAdd(&counter, 1u);
    only_stored[slot] = subgroupAdd(rows[local % (ROWS * 4)]) + f32(flag);
}

@compute @workgroup_size(1)
fn clear() { unused[0] = 0.0; }
";

fn ok(wgsl: &Wgsl, target: &Target) -> Shader {
    compile("kernel", wgsl, target).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(wgsl: &Wgsl, target: &Target) -> String {
    compile("kernel", wgsl, target).unwrap_err().into()
}

pub(super) fn trusted(text: &'static str) -> Wgsl {
    // SAFETY: nothing here is run.
    unsafe { Wgsl::new(text).trusted() }
}

fn binding(slot: u32, access: Access, align: u32) -> Binding {
    Binding {
        slot,
        access,
        align,
    }
}

/// Asks Khronos' validator, where it is installed.
#[allow(clippy::print_stderr, reason = "a test that checks less says so")]
fn assert_valid(shader: &Shader) {
    let ran = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut ran) = ran else {
        eprintln!(
            "SKIPPED: spirv-val (package spirv-tools) is not installed; the code is not validated"
        );
        return;
    };
    let bytes: Vec<u8> = shader.spirv.iter().flat_map(|w| w.to_le_bytes()).collect();
    ran.stdin.take().unwrap().write_all(&bytes).unwrap();
    let ended = ran.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr) + String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}");
}

fn count(shader: &Shader, wanted: u32) -> usize {
    spirv::instructions(&shader.spirv)
        .filter(|(op, _)| *op == wanted)
        .count()
}

#[test]
fn the_interface_is_what_the_entry_point_does() {
    let shader = ok(&Wgsl::new(AXPY), &PLAIN);
    let interface = &shader.interface;
    assert_eq!(
        interface.bindings(),
        [
            binding(0, Access::Read, 16),
            binding(1, Access::ReadWrite, 4)
        ]
    );
    assert_eq!(interface.inline_bytes(), 8);
    assert_eq!(interface.workgroup(), [64, 1, 1]);
    assert_eq!(interface.shared_memory(), SharedMemory::None);
    assert_eq!((shader.inline_slot, shader.uses_subgroups), (None, false));
    assert_valid(&shader);
}

#[test]
fn each_use_of_a_buffer_has_its_access() {
    let shader = ok(&Wgsl::new(ALL_KINDS), &PLAIN);
    let interface = &shader.interface;
    assert_eq!(
        interface.bindings(),
        [
            binding(2, Access::Read, 8),
            binding(3, Access::Read, 16),
            binding(4, Access::ReadWrite, 4),
            binding(5, Access::Read, 4),
            binding(7, Access::Write, 4),
        ]
    );
    assert_eq!(interface.inline_bytes(), 0);
    assert_eq!(interface.workgroup(), [16, 2, 1]);
    assert_eq!(interface.shared_memory(), SharedMemory::Fixed(8 * 4 + 4));
    assert!(shader.uses_subgroups);
    assert_valid(&shader);

    let other = ok(&Wgsl::new(ALL_KINDS).entry("clear"), &PLAIN);
    assert_eq!(other.interface.bindings(), [binding(1, Access::Write, 4)]);
    assert_eq!(other.interface.shared_memory(), SharedMemory::None);
    assert!(!other.uses_subgroups);
    assert_valid(&other);
}

#[test]
fn overrides_reach_workgroups_and_arrays() {
    let wgsl = Wgsl::new(ALL_KINDS).constant("ROWS", 3u32);
    let interface = ok(&wgsl, &PLAIN).interface;
    assert_eq!(interface.workgroup(), [24, 2, 1]);
    assert_eq!(interface.shared_memory(), SharedMemory::Fixed(12 * 4 + 4));
    let wide = Target {
        subgroup_size: 32,
        ..PLAIN
    };
    assert_eq!(ok(&wgsl, &wide).interface.workgroup(), [96, 2, 1]);
    let chosen = wgsl.constant("SUBGROUP_SIZE", 4u32);
    assert_eq!(ok(&chosen, &wide).interface.workgroup(), [12, 2, 1]);
    assert_valid(&ok(&chosen, &wide));
}

#[test]
fn overrides_with_numbers_have_names() {
    let text = "@id(7) override N: i32; override SCALE: f32 = 1; override ON: bool = false;
        @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(N) fn main() { if ON { y[N] = SCALE; } }";
    let wgsl = Wgsl::new(text)
        .constant("N", 5)
        .constant("SCALE", 0.1)
        .constant("ON", 1u32);
    assert_eq!(ok(&wgsl, &PLAIN).interface.workgroup(), [5, 1, 1]);
    assert!(refused(&Wgsl::new(text), &PLAIN).contains("override \"N\" has no value"));
}

#[test]
fn mistakes_are_shown_in_the_source() {
    let text = "@compute @workgroup_size(1)\nfn main() {\n    let a = 1 +;\n}\n";
    let message = refused(&Wgsl::new(text), &PLAIN);
    for part in [
        "error: expected expression, found \";\"",
        "kernel:3:16",
        "3 │     let a = 1 +;",
        "^ expected expression",
    ] {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }

    // Parses, and is refused by the validator.
    let text = "@group(0) @binding(0) var<storage, read> x: array<u32>;
@compute @workgroup_size(1)
fn main() {
    x[3] = 1u;
}
";
    let message = refused(&Wgsl::new(text), &PLAIN);
    for part in ["4 │     x[3] = 1u;", "^^^^", "kernel:4:5"] {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }

    // Refused with the value of the override.
    let text = "override N: u32 = 0;
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
var<workgroup> rows: array<u32, N>;
@compute @workgroup_size(1)
fn main() {
    x[3] = rows[1];
}
";
    let message = refused(&Wgsl::new(text).constant("N", 0), &PLAIN);
    for part in [
        "does not have a positive size",
        "with the overrides {N = 0}",
    ] {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }
}

#[test]
fn entry_points_are_named() {
    let message = refused(&Wgsl::new(ALL_KINDS).entry("mian"), &PLAIN);
    assert_eq!(
        message,
        r#"no entry point "mian"; the text has "main", "clear""#
    );
    let message = refused(&Wgsl::new("const a = 1;"), &PLAIN);
    assert!(message.contains("no compute entry points"), "{message}");
    let fragment = "@fragment fn main() {}";
    let message = refused(&Wgsl::new(fragment), &PLAIN);
    assert!(message.contains("Fragment"), "{message}");
}

#[test]
fn overrides_are_named() {
    let message = refused(&Wgsl::new(ALL_KINDS).constant("COLUMNS", 3), &PLAIN);
    assert_eq!(
        message,
        r#"no override "COLUMNS"; the text has "SUBGROUP_SIZE", "ROWS""#
    );
    let message = refused(&Wgsl::new(AXPY).constant("COLUMNS", 3), &PLAIN);
    assert!(message.contains("has no overrides"), "{message}");
    for (value, shown) in [
        (1.5, "1.5"),
        (-1.0, "-1"),
        (f64::NAN, "NaN"),
        (2e10, "20000000000"),
    ] {
        let message = refused(&Wgsl::new(ALL_KINDS).constant("ROWS", value), &PLAIN);
        assert_eq!(
            message,
            format!(r#"override "ROWS" of type u32 cannot be {shown}"#)
        );
    }
    let message = refused(&Wgsl::new(ALL_KINDS).constant("ROWS", 0), &PLAIN);
    assert!(message.contains("ROWS = 0"), "{message}");
}

#[test]
fn globals_that_kernels_do_not_take_are_shown() {
    for (declaration, used, part) in [
        (
            "@group(1) @binding(0) var<storage, read> g: array<u32>;",
            "g[0]",
            "group 1; kernels bind group 0 alone",
        ),
        (
            "@group(0) @binding(32) var<storage, read> g: array<u32>;",
            "g[0]",
            "binding 32; slots are numbered 0 to 31",
        ),
        (
            "@group(0) @binding(1) var<uniform> g: vec4<u32>;",
            "g.x",
            "a uniform buffer",
        ),
        (
            "@group(0) @binding(1) var g: texture_2d<u32>;",
            "textureLoad(g, vec2(0, 0), 0).x",
            "a texture",
        ),
        (
            "var<immediate> f: u32; var<immediate> g: u32;",
            "f + g",
            "immediate",
        ),
        (
            "var<immediate> f: array<vec4<u32>, 20>; var<immediate> g: array<vec4<u32>, 20>;",
            "f[1].x + g[2].y",
            "2 variables in the address space immediate",
        ),
    ] {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n{declaration}\n\
             @compute @workgroup_size(1) fn main() {{ y[0] = {used}; }}"
        );
        let message = refused(&Wgsl::new(text), &PLAIN);
        assert!(message.contains(part), "{part:?} is not in\n{message}");
        if !part.starts_with('2') {
            assert!(
                message.contains("2 │ ") && message.contains("^^^"),
                "{message}"
            );
        }
    }
}

#[test]
fn what_a_device_lacks_is_named() {
    let half = "enable f16;
        @group(0) @binding(0) var<storage, read_write> y: array<f16>;
        @compute @workgroup_size(1) fn main() { y[0] = y[1] * 2h; }";
    let message = refused(&Wgsl::new(half), &PLAIN);
    assert!(
        message.contains("f16") && message.contains("^^^ unsupported"),
        "{message}"
    );
    let shader = ok(&Wgsl::new(half), &FULL);
    assert_eq!(
        shader.interface.bindings(),
        [binding(0, Access::ReadWrite, 2)]
    );
    assert_valid(&shader);
    let uniform_and_storage_16bit = [2 << 16 | 17, 4434];
    let mut pairs = shader.spirv.windows(2);
    assert!(!pairs.any(|pair| pair == uniform_and_storage_16bit));

    let alone = Target {
        subgroups: false,
        ..PLAIN
    };
    let message = refused(&Wgsl::new(ALL_KINDS), &alone);
    assert!(message.contains("SUBGROUP"), "{message}");

    let vectors = Target { f16: true, ..PLAIN };
    let message = refused(&Wgsl::new(MATRICES), &vectors);
    assert!(message.contains("wgpu_cooperative_matrix"), "{message}");
    let shader = ok(&Wgsl::new(MATRICES), &FULL);
    assert_eq!(
        shader.interface.bindings(),
        [
            binding(0, Access::Read, 2),
            binding(1, Access::Read, 2),
            binding(2, Access::ReadWrite, 4)
        ]
    );
}

const MATRICES: &str = "enable f16;
enable wgpu_cooperative_matrix;
@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read> b: array<f16>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(32)
fn main() {
    let left = coopLoadT<coop_mat16x16<f16, A>>(&a[0], 16u);
    let right = coopLoadT<coop_mat16x16<f16, B>>(&b[0], 16u);
    let sum = coopLoadT<coop_mat16x16<f32, C>>(&c[0], 16u);
    let out = coopMultiplyAdd(left, right, sum);
    coopStoreT(out, &c[0], 16u);
}
";

#[test]
fn matrices_of_another_size_are_refused() {
    let small = Target {
        cooperative_matrix: Some(CooperativeMatrix::Size8),
        ..FULL
    };
    let text = MATRICES.replace("16x16", "8x8");
    ok(&Wgsl::new(text.clone()), &small);
    for (text, target, asked, allowed) in [
        (MATRICES.to_owned(), &small, "16x16", "8x8"),
        (text, &FULL, "8x8", "16x16"),
    ] {
        let wgsl = Wgsl::new(text);
        let message = refused(&wgsl, target);
        let said = format!("a cooperative matrix of {asked}; the device multiplies {allowed}");
        assert!(message.contains(&said), "{message}");
        assert!(message.contains("coopLoadT"), "no line: {message}");
        interpret("kernel", &wgsl, target, false).unwrap();
    }
    // What another entry point does is of no importance.
    let both = format!(
        "{MATRICES}
        @compute @workgroup_size(32) fn small() {{
            let a = coopLoad<coop_mat8x8<f32, C>>(&c[0], 8u);
            coopStore(a, &c[64], 8u);
        }}"
    );
    ok(&Wgsl::new(both), &FULL);
}

#[test]
fn a_panic_of_the_writer_is_an_error() {
    // naga 30 does not emit the expressions of these arguments before it uses them.
    let text = MATRICES.replace(
        "coopStoreT(out, &c[0], 16u)",
        "coopStoreT(coopMultiplyAdd(left, right, sum), &c[arrayLength(&a) * 4u], arrayLength(&b) + 1u)",
    );
    let message = refused(&Wgsl::new(text), &FULL);
    assert!(message.contains("panicked"), "{message}");
}

#[test]
fn trusted_code_has_no_checks() {
    const OP_SELECTION_MERGE: u32 = 247;
    let text = "
        struct Params { count: u32, by: u32 }
        var<immediate> params: Params;
        @group(0) @binding(0) var<storage, read> x: array<u32>;
        @group(0) @binding(1) var<storage, read_write> y: array<u32>;
        var<workgroup> rows: array<u32, 64>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) local: u32) {
            var sum = 0u;
            for (var i = local; i < params.count; i += 64u) { sum += x[i] / params.by; }
            rows[local] = sum;
            workgroupBarrier();
            y[local] = rows[63u - local];
        }";
    let (fast, checked) = (ok(&trusted(text), &PLAIN), ok(&Wgsl::new(text), &PLAIN));
    assert_eq!(fast.interface, checked.interface);
    assert!(checked.spirv.len() > fast.spirv.len() * 3 / 2);
    // The loop's own, and none for a bound.
    let selections = |shader| count(shader, OP_SELECTION_MERGE);
    assert!(selections(&checked) >= selections(&fast) + 3);
    assert_valid(&fast);
    assert_valid(&checked);
}

#[test]
fn atomics_are_checked_too() {
    const OP_EXT_INST: u32 = 12;
    let text = "
        @group(0) @binding(0) var<storage, read_write> y: array<atomic<u32>>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) local: u32) { atomicAdd(&y[local], 1u); }";
    let (fast, checked) = (ok(&trusted(text), &PLAIN), ok(&Wgsl::new(text), &PLAIN));
    assert_eq!(count(&fast, OP_EXT_INST), 0);
    // UMin with the last index.
    assert_eq!(count(&checked, OP_EXT_INST), 1);
    assert_valid(&checked);
}

#[test]
fn large_immediates_become_a_buffer() {
    let text = "
        struct Params { count: u32, rest: array<vec4<f32>, 40> }
        var<immediate> params: Params;
        @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @group(0) @binding(2) var<storage, read_write> z: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) local: u32) {
            if local < params.count { y[local] = params.rest[local].y; z[0] = 1; }
        }";
    let shader = ok(&Wgsl::new(text), &PLAIN);
    assert_eq!(shader.inline_slot, Some(1));
    assert_eq!(shader.interface.inline_bytes(), 16 + 640);
    let slots: Vec<_> = shader.interface.bindings().iter().map(|b| b.slot).collect();
    assert_eq!(slots, [0, 2]);
    assert_valid(&shader);

    let generous = Target {
        max_immediate_bytes: 8,
        ..PLAIN
    };
    assert_eq!(ok(&Wgsl::new(AXPY), &generous).inline_slot, None);
    let small = Target {
        max_immediate_bytes: 7,
        ..PLAIN
    };
    let moved = ok(&Wgsl::new(AXPY), &small);
    assert_eq!(moved.inline_slot, Some(2));
    assert_eq!(moved.interface, ok(&Wgsl::new(AXPY), &PLAIN).interface);
    assert_valid(&moved);
}

#[test]
fn access_chains_start_at_variables() {
    const OP_ACCESS_CHAIN: u32 = 65;
    let joined = Target {
        join_access_chains: true,
        ..PLAIN
    };
    let bases = |shader: &Shader| -> (usize, usize) {
        let chains: Vec<_> = spirv::instructions(&shader.spirv)
            .filter(|(op, _)| *op == OP_ACCESS_CHAIN)
            .map(|(_, words)| (words[2], words[3]))
            .collect();
        let results: Vec<_> = chains.iter().map(|chain| chain.0).collect();
        let nested = chains.iter().filter(|chain| results.contains(&chain.1));
        (nested.count(), chains.len())
    };
    for text in [AXPY, ALL_KINDS] {
        let (split, whole) = (ok(&trusted(text), &PLAIN), ok(&trusted(text), &joined));
        assert!(bases(&split).0 > 0);
        assert_eq!(bases(&whole), (0, bases(&split).1));
        assert_eq!(split.interface, whole.interface);
        assert_valid(&whole);
        assert_valid(&ok(&Wgsl::new(text), &joined));
    }
}

#[test]
fn newer_spirv_is_valid() {
    for spirv_version in [(1, 3), (1, 4), (1, 5)] {
        let target = Target {
            spirv_version,
            ..FULL
        };
        for text in [AXPY, ALL_KINDS] {
            assert_valid(&ok(&Wgsl::new(text), &target));
            assert_valid(&ok(&trusted(text), &target));
        }
    }
}

#[test]
fn half_floats_in_words_need_no_feature() {
    let text = "
        @group(0) @binding(0) var<storage, read> x: array<u32>;
        @group(0) @binding(1) var<storage, read_write> y: array<vec2<f32>>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            y[id.x] = unpack2x16float(x[id.x]) + f32(dot4I8Packed(x[id.x], x[0]));
        }";
    assert_valid(&ok(&trusted(text), &PLAIN));
}

#[test]
fn the_deepest_texts_end_without_overflow() {
    let before = "@group(0) @binding(0) var<storage, read_write> x: array<i32>;
        @compute @workgroup_size(1) fn main() { let a = x[0]; x[1] = a";
    let room = MAX_TEXT - before.len() - 10;
    for (step, end) in [
        ("+a", ""),
        ("-(a", ")"),
        ("+x[a", "]"),
        ("+-!~", "a"),
        ("+a;{", "}"),
    ] {
        let count = room / (step.len() + end.len());
        let text = format!("{before}{}{};}}", step.repeat(count), end.repeat(count));
        // Some of them are refused, with or without a panic.
        let compiled = compile("kernel", &Wgsl::new(text), &PLAIN);
        assert_eq!(compiled.is_ok(), step == "+a", "{step}");
    }
    let long = " ".repeat(MAX_TEXT + 1);
    assert!(refused(&Wgsl::new(long), &PLAIN).contains("131072 are allowed"));
}

/// naga refuses cooperative operations where it does not see that control flow is uniform, before and after overrides
/// have their values; the interpreter sees what happens.
#[test]
fn divergence_is_left_to_the_interpreter() {
    let text = "
        enable f16;
        enable wgpu_cooperative_matrix;
        override STRIDE: u32;
        @group(0) @binding(0) var<storage, read_write> data: array<f16>;
        @compute @workgroup_size(32) fn main(@builtin(local_invocation_index) at: u32) {
            if at / 32u == 0u {
                let a = coopLoad<coop_mat16x16<f16, A>>(&data[0], STRIDE);
                let b = coopLoad<coop_mat16x16<f16, B>>(&data[0], STRIDE);
                let c = coopLoad<coop_mat16x16<f16, C>>(&data[0], STRIDE);
                coopStore(coopMultiplyAdd(a, b, c), &data[0], STRIDE);
            }
        }";
    let wgsl = Wgsl::new(text).constant("STRIDE", 16);
    let refused = refused(&wgsl, &FULL);
    assert!(refused.contains("uniform"), "{refused}");
    let interpreted = interpret("kernel", &wgsl, &FULL, false).unwrap();
    assert_eq!(interpreted.interface.bindings().len(), 1);
    assert_eq!(interpreted.program.name(), "kernel");
}
