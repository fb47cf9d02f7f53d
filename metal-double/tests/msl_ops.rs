//! The project's own kernels, put together from their files: their MSL passes the check and compiles,
//! written with naga's bounds checks and without.

mod msl_support;

use std::path::Path;

use metal_double::msl::Library;
use msl_support::{OPTIONS, msl_with};

/// Files of the operations, one after the other. `|` stands between what is text already.
fn compose(prefix: &str, files: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dacapo-ops/src");
    let mut text = prefix.to_owned();
    for file in files {
        let path = folder.join(file);
        let part =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text += &part;
        text.push('\n');
    }
    // What a pipeline would give.
    text.replace(
        "override SUBGROUP_SIZE: u32;",
        "const SUBGROUP_SIZE: u32 = 32u;",
    )
    .replace("override WORKGROUP: u32;", "const WORKGROUP: u32 = 256u;")
    .replace("override ERF: bool;", "const ERF: bool = true;")
}

fn binding(slot: u32, name: &str, element: &str) -> String {
    format!("@group(0) @binding({slot}) var<storage, read> {name}: array<{element}>;\n")
}

fn kernels() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for operation in ["add", "mul", "scale", "silu_mul", "gelu_mul", "softcap"] {
        let own = format!("{operation}/{operation}.wgsl");
        all.push((
            operation.to_owned(),
            compose("", &["vector/math.wgsl", "elementwise.wgsl", &own]),
        ));
    }
    for dtype in ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q4_k", "q6_k"] {
        let prefix = format!(
            "fn dequantize(row: u32, column: u32) -> f32 {{ return dequantize_{dtype}(row, column); }}\n"
        );
        all.push((
            format!("embed_{dtype}"),
            compose(
                &prefix,
                &["quant/load.wgsl", "quant/blocks.wgsl", "embed/embed.wgsl"],
            ),
        ));
    }
    for form in ["plain", "unweighted", "in_place", "residual"] {
        for part in ["wide", "single"] {
            let files = [
                format!("rms_norm/{part}.wgsl"),
                format!("rms_norm/{form}.wgsl"),
                "vector/inverse_root.wgsl".to_owned(),
                "rms_norm/factor.wgsl".to_owned(),
                "rms_norm/row.wgsl".to_owned(),
            ];
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            all.push((format!("rms_norm_{form}_{part}"), compose("", &files)));
        }
    }
    for (name, own) in [
        ("argmax", &["argmax/argmax.wgsl"][..]),
        (
            "top_k",
            &["top_k/top_k.wgsl", "rows/select.wgsl", "rows/u64.wgsl"],
        ),
        (
            "sample",
            &[
                "sample/sample.wgsl",
                "rows/select.wgsl",
                "rows/u64.wgsl",
                "rows/exp.wgsl",
            ],
        ),
    ] {
        for load in ["rows/quads.wgsl", "rows/singles.wgsl"] {
            let files: Vec<&str> = own
                .iter()
                .copied()
                .chain(["rows/keys.wgsl", "rows/ordered.wgsl", load])
                .collect();
            all.push((format!("{name}_{load}"), compose("", &files)));
        }
    }
    let softmax = [
        "softmax/softmax.wgsl",
        "rows/keys.wgsl",
        "rows/ordered.wgsl",
        "rows/exp.wgsl",
    ];
    all.push(("softmax".to_owned(), compose("", &softmax)));
    all.push((
        "rope".to_owned(),
        compose("", &["rope/angles.wgsl", "rope/rope.wgsl"]),
    ));
    all.push(("advance".to_owned(), compose("", &["advance/advance.wgsl"])));
    for cache in ["f32", "f16", "f16_odd"] {
        let own = format!("kv_append/{cache}.wgsl");
        let stores = ["kv_append/half.wgsl", "kv_append/slots.wgsl", &own];
        let append: Vec<&str> = stores
            .iter()
            .copied()
            .chain(["kv_append/rows.wgsl"])
            .collect();
        all.push((format!("kv_append_{cache}"), compose("", &append)));
        for form in ["rope_append/normed.wgsl", "rope_append/plain.wgsl"] {
            let rest = [
                "rope/angles.wgsl",
                "vector/inverse_root.wgsl",
                "rms_norm/factor.wgsl",
                form,
                "rope_append/heads.wgsl",
                "rope_append/turn.wgsl",
            ];
            let files: Vec<&str> = stores.iter().copied().chain(rest).collect();
            let norms = match form.contains("normed") {
                true => binding(7, "q_norm", "f32") + &binding(8, "k_norm", "f32"),
                false => String::new(),
            };
            all.push((format!("{form}_{cache}"), compose(&norms, &files)));
        }
    }
    let common = "const HEAD_DIM: u32 = 64u;\nconst LEAST: u32 = 256u;\nconst COUNTERS: u32 = 256u;\nconst PAIRS: u32 = 4u;\n";
    for (loads, half, element) in [
        ("cache_half8", false, "vec4<u32>"),
        ("cache_half1", true, "u32"),
        ("cache_single4", false, "vec4<f32>"),
        ("cache_single1", true, "f32"),
    ] {
        let caches = binding(1, "k_cache", element) + &binding(2, "v_cache", element);
        for (form, own) in [
            ("split", "const WORKGROUP: u32 = 128u;\n"),
            (
                "tiled",
                "const TILE: u32 = 16u;\nconst COLUMNS: u32 = 4u;\nconst PER: u32 = 4u;\nconst MAX_QUADS: u32 = 4u;\n",
            ),
        ] {
            let (loads, kernel) = (
                format!("attention/gpu/{loads}.wgsl"),
                format!("attention/gpu/{form}.wgsl"),
            );
            let mut files = vec![loads.as_str()];
            if half {
                files.push("attention/gpu/elements.wgsl");
            }
            files.extend([
                "attention/gpu/operands.wgsl",
                "attention/gpu/scratch.wgsl",
                kernel.as_str(),
                "attention/gpu/common.wgsl",
                "rows/exp.wgsl",
            ]);
            all.push((
                format!("attention_{form}_{loads}"),
                compose(&(common.to_owned() + own + &caches), &files),
            ));
        }
    }
    all
}

#[test]
fn every_kernel_compiles() {
    let mut problems = String::new();
    for (name, wgsl) in kernels() {
        for checked in [false, true] {
            let result = msl_with(&wgsl, checked).and_then(|text| {
                let library = Library::compile(&text, &OPTIONS).map_err(|e| e + &text)?;
                let function = &library.functions()[0].name;
                library
                    .function(function, &[])
                    .map(drop)
                    .map_err(|e| e + &text)
            });
            if let Err(messages) = result {
                problems += &format!("{name}, checked {checked}:\n{messages}\n");
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}
