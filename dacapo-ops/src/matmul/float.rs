//! Tiles in f32, for every weight type and level.

use crate::dtype::DType;
use crate::quant::{Q15Group, WeightMatrix, convert};
use crate::simd::{Isa, Kernel, mul_add};

use super::CHUNK;

/// Rows in a panel: one register of 512 bits, two of 256.
const LANES: usize = 16;

/// Tokens whose sums are kept in registers at once.
const TOKENS: usize = 6;

/// The activations, all tokens.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    F32(&'a [f32]),
    Integers(&'a [Q15Group]),
}

pub(super) fn product(
    isa: Isa,
    w: &WeightMatrix<'_>,
    bytes: &[u8],
    x: Input<'_>,
    tokens: usize,
    y: &mut [f32],
) {
    isa.run(Product {
        dtype: w.dtype(),
        cols: w.cols(),
        row_bytes: w.row_bytes(),
        bytes,
        x,
        tokens,
        y,
    });
}

struct Product<'a> {
    dtype: DType,
    cols: usize,
    row_bytes: usize,
    /// Whole rows of weights.
    bytes: &'a [u8],
    x: Input<'a>,
    tokens: usize,
    y: &'a mut [f32],
}

/// A chunk of columns of [`LANES`] rows, a column after the other.
type Panel = [[f32; LANES]; CHUNK];

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.bytes.len() / self.row_bytes;
        let mut panel: Panel = [[0.0; LANES]; CHUNK];
        let mut x = [[0.0; CHUNK]; TOKENS];
        for start in (0..self.cols).step_by(CHUNK) {
            let width = CHUNK.min(self.cols - start);
            for first in (0..rows).step_by(LANES) {
                let lanes = LANES.min(rows - first);
                self.unpack(first, lanes, start, width, &mut panel);
                for token in (0..self.tokens).step_by(TOKENS) {
                    let count = TOKENS.min(self.tokens - token);
                    for (i, x) in x[..count].iter_mut().enumerate() {
                        self.input(token + i, start, &mut x[..width]);
                    }
                    let mut sums = [[0.0; LANES]; TOKENS];
                    for (i, sums) in sums[..count].iter_mut().enumerate() {
                        let y = &self.y[(token + i) * rows + first..][..lanes];
                        sums[..lanes].copy_from_slice(y);
                    }
                    multiply::<FMA>(&panel, &x, width, &mut sums);
                    for (i, sums) in sums[..count].iter().enumerate() {
                        let y = &mut self.y[(token + i) * rows + first..][..lanes];
                        y.copy_from_slice(&sums[..lanes]);
                    }
                }
            }
        }
    }
}

impl Product<'_> {
    /// Fills the panel from `lanes` rows; what the other lanes hold does not matter.
    #[inline(always)]
    fn unpack(&self, first: usize, lanes: usize, start: usize, width: usize, panel: &mut Panel) {
        let block = self.dtype.block_bytes();
        let (from, to) = (
            start / self.dtype.block_len() * block,
            (start + width) / self.dtype.block_len() * block,
        );
        let mut rows = [[0.0; CHUNK]; LANES];
        for (lane, row) in rows[..lanes].iter_mut().enumerate() {
            let bytes = &self.bytes[(first + lane) * self.row_bytes..][from..to];
            convert(self.dtype, bytes, &mut row[..width]);
        }
        for (col, column) in panel[..width].iter_mut().enumerate() {
            for lane in 0..LANES {
                column[lane] = rows[lane][col];
            }
        }
    }

    #[inline(always)]
    fn input(&self, token: usize, start: usize, out: &mut [f32]) {
        match self.x {
            Input::F32(x) => {
                out.copy_from_slice(&x[token * self.cols + start..][..out.len()]);
            }
            Input::Integers(x) => {
                let group = &x[token * Q15Group::count(self.cols) + start / Q15Group::LEN];
                for (i, out) in out.chunks_mut(32).enumerate() {
                    for (j, y) in out.iter_mut().enumerate() {
                        *y = group.scales[i] * f32::from(group.integer(32 * i + j));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn multiply<const FMA: bool>(
    panel: &Panel,
    x: &[[f32; CHUNK]; TOKENS],
    width: usize,
    out: &mut [[f32; LANES]; TOKENS],
) {
    let mut sums = *out;
    for (col, column) in panel.iter().enumerate().take(width) {
        for token in 0..TOKENS {
            for lane in 0..LANES {
                sums[token][lane] = mul_add::<FMA>(column[lane], x[token][col], sums[token][lane]);
            }
        }
    }
    *out = sums;
}
