//! How fast weights are multiplied: `cargo bench -p dacapo-ops --bench products [-- FILTER]`.
//!
//! Matrices are repeated until they exceed the caches, so that the figures are those of a model's weights streamed from
//! memory, on one thread.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::hint::black_box;
use std::time::Instant;

use bytemuck::Zeroable;
use dacapo_ops::dtype::DType;
use dacapo_ops::quant::{Q15Group, WeightMatrix, quantize_row};
use dacapo_ops::simd::Isa;
use dacapo_ops::{matmul, matvec};

/// Bytes of copies of a matrix that one measurement goes through.
const WORKING_SET: usize = 128 << 20;

/// Rows and columns of the matrices in one layer of SmolLM2-135M.
const LAYER: [(usize, usize); 7] = [
    (576, 576),
    (192, 576),
    (192, 576),
    (576, 576),
    (1536, 576),
    (1536, 576),
    (576, 1536),
];

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = |name: &str| filter.as_ref().is_none_or(|f| name.contains(f.as_str()));
    for isa in Isa::available() {
        println!("{:?}", isa.level());
        if wanted("quantize") {
            quantize_speed(isa);
        }
        if wanted("decode") {
            decode(isa);
        }
        if wanted("prefill") {
            prefill(isa);
        }
        for dtype in DType::WEIGHTS {
            if wanted("matmul") {
                matmul_speed(isa, dtype, 1536, 768);
            }
            if wanted("matvec") {
                for (rows, cols) in [(576, 576), (1536, 576), (576, 1536), (4096, 4096)] {
                    if cols % dtype.block_len() == 0 {
                        matvec_speed(isa, dtype, rows, cols);
                    }
                }
            }
        }
    }
}

/// Random bytes with small f16 numbers wherever a format may expect them.
fn weights(dtype: DType, rows: usize, cols: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..dtype.matrix_bytes(rows, cols).unwrap_or(0))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x2f
        })
        .collect()
}

fn activations(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37).sin()).collect()
}

/// Seconds of the fastest of 15 runs, since other programs share the machine.
fn seconds(run: impl FnMut()) -> f64 {
    fastest(&mut [run], 15)
}

/// Seconds of the fastest runs of each of `runs`, which take turns, added up.
fn fastest(runs: &mut [impl FnMut()], times: usize) -> f64 {
    let mut best = vec![f64::INFINITY; runs.len()];
    for _ in 0..times {
        for (run, best) in runs.iter_mut().zip(&mut best) {
            let start = Instant::now();
            run();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best.iter().sum()
}

fn quantize_speed(isa: Isa) {
    let x = activations(1536);
    let mut groups = vec![Q15Group::zeroed(); Q15Group::count(x.len())];
    let seconds = seconds(|| {
        for _ in 0..100 {
            if let Err(error) = quantize_row(isa, black_box(&x), &mut groups) {
                println!("{error}");
            }
            black_box(&mut groups);
        }
    }) / 100.0;
    println!("  quantize a row of 1536 {:11.2} us", seconds * 1e6);
}

fn product(isa: Isa, w: &WeightMatrix<'_>, x: &[f32], groups: &mut [Q15Group], y: &mut [f32]) {
    let done = if w.dtype().is_quantized() {
        quantize_row(isa, x, groups)
            .and_then(|()| matvec::quantized(isa, w, 0..w.rows(), groups, y))
    } else {
        matvec::exact(isa, w, 0..w.rows(), x, y)
    };
    if let Err(error) = done {
        println!("{error}");
    }
    black_box(y);
}

fn matvec_speed(isa: Isa, dtype: DType, rows: usize, cols: usize) {
    let bytes = weights(dtype, rows, cols);
    let copies = WORKING_SET.div_ceil(bytes.len());
    let all = bytes.repeat(copies);
    let x = activations(cols);
    let mut groups = vec![Q15Group::zeroed(); Q15Group::count(cols)];
    let mut y = vec![0.0; rows];
    let mut best = f64::INFINITY;
    for bytes in all.chunks_exact(bytes.len()) {
        if let Ok(w) = WeightMatrix::new(dtype, rows, cols, bytes) {
            let start = Instant::now();
            product(isa, &w, &x, &mut groups, &mut y);
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let seconds = best;
    println!(
        "  matvec {:<5} {rows:>5} x {cols:<5} {:8.1} us {:6.1} GB/s {:7.1} GOP/s",
        dtype.name(),
        seconds * 1e6,
        bytes.len() as f64 / seconds / 1e9,
        2.0 * (rows * cols) as f64 / seconds / 1e9
    );
}

/// All products of one token of SmolLM2-135M: thirty layers in Q4_1 and the output in Q8_0.
fn decode(isa: Isa) {
    let mut matrices = Vec::new();
    for _ in 0..30 {
        for (rows, cols) in LAYER {
            matrices.push((DType::Q4_1, rows, cols, weights(DType::Q4_1, rows, cols)));
        }
    }
    matrices.push((DType::Q8_0, 49152, 576, weights(DType::Q8_0, 49152, 576)));
    let x = activations(1536);
    let mut runs: Vec<_> = matrices
        .iter()
        .map(|(dtype, rows, cols, bytes)| {
            let x = &x[..*cols];
            let mut groups = vec![Q15Group::zeroed(); Q15Group::count(*cols)];
            let mut y = vec![0.0; *rows];
            move || {
                if let Ok(w) = WeightMatrix::new(*dtype, *rows, *cols, bytes) {
                    product(isa, &w, x, &mut groups, &mut y);
                }
            }
        })
        .collect();
    let seconds = fastest(&mut runs, 25);
    let output = fastest(&mut runs[210..], 25);
    let bytes: usize = matrices.iter().map(|m| m.3.len()).sum();
    println!(
        "  decode, one token: {:.2} ms, {:.1} GB/s, of it the output {:.2} ms",
        seconds * 1e3,
        bytes as f64 / seconds / 1e9,
        output * 1e3
    );
}

/// A matrix times `x` of [tokens, w.cols()], tile by tile as workgroups do it.
fn many(isa: Isa, w: &WeightMatrix<'_>, x: &[f32], tokens: usize, groups: &mut [Q15Group]) {
    let cols = w.cols();
    let per_row = Q15Group::count(cols);
    let groups = &mut groups[..tokens * per_row];
    if w.dtype().is_quantized() {
        for (x, groups) in x.chunks_exact(cols).zip(groups.chunks_exact_mut(per_row)) {
            if let Err(error) = quantize_row(isa, x, groups) {
                println!("{error}");
            }
        }
    }
    let mut tile = [0.0; matmul::TILE_ROWS * matmul::TILE_TOKENS];
    for first in (0..w.rows()).step_by(matmul::TILE_ROWS) {
        let rows = first..w.rows().min(first + matmul::TILE_ROWS);
        for token in (0..tokens).step_by(matmul::TILE_TOKENS) {
            let count = matmul::TILE_TOKENS.min(tokens - token);
            let y = &mut tile[..rows.len() * count];
            let done = if w.dtype().is_quantized() {
                let x = &groups[token * per_row..][..count * per_row];
                matmul::quantized(isa, w, rows.clone(), x, count, y)
            } else {
                matmul::exact(
                    isa,
                    w,
                    rows.clone(),
                    &x[token * cols..][..count * cols],
                    count,
                    y,
                )
            };
            if let Err(error) = done {
                println!("{error}");
            }
            black_box(y);
        }
    }
}

fn matmul_speed(isa: Isa, dtype: DType, rows: usize, cols: usize) {
    let tokens = 128;
    let bytes = weights(dtype, rows, cols);
    let x = activations(tokens * cols);
    let mut groups = vec![Q15Group::zeroed(); tokens * Q15Group::count(cols)];
    if let Ok(w) = WeightMatrix::new(dtype, rows, cols, &bytes) {
        let seconds = seconds(|| many(isa, &w, &x, tokens, &mut groups));
        println!(
            "  matmul {:<5} {rows:>5} x {cols:<5} by {tokens} {:8.0} us {:7.1} GOP/s",
            dtype.name(),
            seconds * 1e6,
            2.0 * (rows * cols * tokens) as f64 / seconds / 1e9
        );
    }
}

/// All products of a prompt of 128 tokens of SmolLM2-135M, but for the output.
fn prefill(isa: Isa) {
    let tokens = 128;
    let layer = LAYER.map(|(rows, cols)| (rows, cols, weights(DType::Q4_1, rows, cols)));
    let x = activations(tokens * 1536);
    let mut groups = vec![Q15Group::zeroed(); tokens * Q15Group::count(1536)];
    let seconds = seconds(|| {
        for (rows, cols, bytes) in &layer {
            if let Ok(w) = WeightMatrix::new(DType::Q4_1, *rows, *cols, bytes) {
                many(isa, &w, &x[..tokens * cols], tokens, &mut groups);
            }
        }
    }) * 30.0;
    println!(
        "  prefill of {tokens} tokens: {:.1} ms, {:.0} tokens/s on one thread",
        seconds * 1e3,
        tokens as f64 / seconds
    );
}
