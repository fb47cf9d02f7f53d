//! Products with weight matrices.

use dacapo::{Device, MemoryKind};
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::{Epilogue, Linear};
use dacapo_ops::quant::{WeightMatrix, dequantize};
use dacapo_ops::simd::Isa;

use super::{Judge, f32s, read, run as submit, unset};
use crate::bench::Bench;
use crate::check::Verdict;
use crate::random::{Random, noise, weights};

/// Weights are between minus and plus so much, or a little more.
const AMPLITUDE: f32 = 0.5;

/// Tokens, rows and columns: by vectors, by tiles, and odd ones.
fn shapes(bench: &Bench) -> &'static [(usize, usize, usize)] {
    match bench.is_slow() {
        true => &[(1, 37, 256), (9, 20, 256)],
        false => &[
            (1, 517, 512),
            (1, 64, 2048),
            (3, 33, 256),
            (4, 9, 768),
            (8, 129, 256),
            (65, 70, 512),
            (17, 256, 256),
        ],
    }
}

pub(super) fn run(bench: &Bench, judge: &mut Judge, dtype: DType) -> Verdict {
    let device = &bench.device;
    let op = Linear::new(device)?;
    let mut random = Random::new(21);
    for &(tokens, rows, cols) in shapes(bench) {
        let bytes = weights(&mut random, dtype, rows * cols, AMPLITUDE);
        let matrix = WeightMatrix::new(dtype, rows, cols, &bytes)?;
        let w = op.weights(device, "w", &matrix)?;
        let x = noise(22, tokens * cols, 2.0);
        let bias = noise(23, rows, 1.0);
        let tx = f32s(device, &[tokens, cols], &x)?;
        let tb = f32s(device, &[rows], &bias)?;
        let out = unset(device, &[tokens, rows])?;
        let scratch =
            device.buffer(Linear::scratch_bytes(tokens, cols), MemoryKind::DeviceLocal)?;
        let biased = tokens % 2 == 1;
        let epilogue = match biased {
            true => Epilogue::Bias(&tb),
            false => Epilogue::None,
        };
        submit(device, |encoder| {
            op.encode(encoder, &w, &tx, epilogue, &scratch, &out)
        })?;

        let mut values = vec![0.0f32; rows * cols];
        dequantize(Isa::PORTABLE, dtype, &bytes, &mut values)?;
        let (mut exact, mut allowed) = (Vec::new(), Vec::new());
        let rounding = Rounding::of(device, dtype, tokens);
        for x in x.chunks(cols) {
            for (w, bias) in values.chunks(cols).zip(&bias) {
                let (sum, error) = rounding.product(w, x);
                let sum = sum + if biased { f64::from(*bias) } else { 0.0 };
                exact.push(sum);
                allowed.push(error + sum.abs() * 2f64.powi(-22));
            }
        }
        let case = format!("{tokens} tokens, {rows} x {cols}");
        judge.within(&case, &read(&out)?, &exact, &allowed)?;
    }
    Ok(())
}

/// What is rounded on the way to a product.
struct Rounding {
    /// Activations become integers of 15 bits, 32 with one scale.
    activations: bool,
    /// Both factors become f16.
    halves: bool,
    quantized: bool,
}

impl Rounding {
    fn of(device: &Device, dtype: DType, tokens: usize) -> Rounding {
        let quantized = dtype.is_quantized();
        Rounding {
            activations: quantized && device.gpu().is_none(),
            halves: tokens > 8
                && device
                    .gpu()
                    .is_some_and(|gpu| gpu.cooperative_matrix.is_some()),
            quantized,
        }
    }

    /// A product in f64, and how far a device's may be from it.
    fn product(&self, w: &[f32], x: &[f32]) -> (f64, f64) {
        let (mut sum, mut magnitude, mut small, mut steps) = (0.0, 0.0, 0.0, 0.0);
        for (w, x) in w.chunks(32).zip(x.chunks(32)) {
            let (mut most, mut weight) = (0.0f64, 0.0);
            for (&w, &x) in w.iter().zip(x) {
                let (w, x) = (f64::from(w), f64::from(x));
                sum += w * x;
                // Integer and offset of a weight, each times its scale, may cancel and are rounded apart.
                let part = if self.quantized {
                    w.abs() + 4.0 * f64::from(AMPLITUDE)
                } else {
                    w.abs()
                };
                magnitude += part * x.abs();
                small += w.abs() + x.abs();
                most = most.max(x.abs());
                weight += w.abs();
            }
            steps += most * weight / 32_512.0;
        }
        let mut error = magnitude * (w.len() + 16) as f64 * 2f64.powi(-24);
        if self.activations {
            error += steps * 1.01;
        }
        if self.halves {
            error += magnitude * 2f64.powi(-10) * 1.01 + small * 2f64.powi(-24);
        }
        (sum, error)
    }
}
