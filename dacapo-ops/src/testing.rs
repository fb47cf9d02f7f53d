//! Random weights and their products in f64, for the tests of several operations.

use half::{bf16, f16};

use crate::dtype::DType;
use crate::quant::{WeightMatrix, dequantize};
use crate::simd::Isa;

/// A small generator (xorshift64*, Vigna 2016): tests must not change from run to run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// Evenly between -1 and 1.
    pub(crate) fn even(&mut self) -> f32 {
        self.bits() as f32 / 2f32.powi(31) - 1.0
    }

    /// Roughly normal: the sum of several even ones.
    pub(crate) fn normal(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| (0..4).map(|_| self.even()).sum())
            .collect()
    }
}

/// A weight matrix of random blocks, at an odd address.
pub(crate) struct Case {
    dtype: DType,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
}

impl Case {
    pub(crate) fn new(random: &mut Random, dtype: DType, rows: usize, cols: usize) -> Self {
        let mut bytes = vec![0xAA];
        for _ in 0..rows * cols / dtype.block_len() {
            let mut block: Vec<u8> = (0..dtype.block_bytes())
                .map(|_| random.bits() as u8)
                .collect();
            let mut half = |at: usize| {
                let value = f16::from_f32(random.even() * 0.05).to_le_bytes();
                block[at..at + 2].copy_from_slice(&value);
            };
            match dtype {
                DType::Q8_0 | DType::Q4_0 | DType::F16 => half(0),
                DType::Q4_1 | DType::Q4K => (half(0), half(2)).0,
                DType::Q6K => half(208),
                DType::F32 => block.copy_from_slice(&random.even().to_le_bytes()),
                DType::BF16 => {
                    block.copy_from_slice(&bf16::from_f32(random.even()).to_le_bytes());
                }
                DType::U32 => {}
            }
            bytes.extend(block);
        }
        Self {
            dtype,
            rows,
            cols,
            bytes,
        }
    }

    pub(crate) fn matrix(&self) -> WeightMatrix<'_> {
        WeightMatrix::new(self.dtype, self.rows, self.cols, &self.bytes[1..]).unwrap()
    }

    pub(crate) fn row(&self, row: usize) -> Vec<f32> {
        let mut weights = vec![0.0; self.cols];
        let bytes = self.matrix().row_range(row..row + 1).unwrap();
        dequantize(Isa::PORTABLE, self.dtype, bytes, &mut weights).unwrap();
        weights
    }

    /// The product of a row with `x`, and the sum of the magnitudes of its terms.
    pub(crate) fn dot(&self, row: usize, x: &[f32]) -> (f64, f64) {
        let terms = self.row(row).into_iter().zip(x);
        let terms = terms.map(|(w, &x)| f64::from(w) * f64::from(x));
        terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()))
    }

    /// The product of a row with `x`, and how far a result with `x` rounded to bytes may be from it.
    pub(crate) fn rounded_dot(&self, row: usize, x: &[f32]) -> (f64, f64) {
        let (want, _) = self.dot(row, x);
        let weights = self.row(row);
        let mut bound = 0.0;
        for (w, x) in weights.chunks(32).zip(x.chunks(32)) {
            let largest = x.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let weight: f64 = w.iter().map(|w| f64::from(w.abs())).sum();
            // Half a step for each activation. Where a format has an offset, value and offset may cancel in the
            // weight but round apart: 0.05 bounds every scale of `Case::new`, 255 what it multiplies.
            let cancelled = 32.0 * 0.05 * 63.0 * 63.0 * 2f64.powi(-22);
            bound += f64::from(largest) * (weight / 254.0 * 1.001 + cancelled);
        }
        (want, bound)
    }
}
