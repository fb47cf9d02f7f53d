//! Tiles in f32, for every weight type and level.

use half::f16;

use super::CHUNK;
use super::transpose::transpose;
use crate::dtype::DType;
use crate::matvec::fetch_line;
use crate::quant::{Q15Group, WeightMatrix, convert};
use crate::simd::Isa;
use crate::vector::{Kernel, LANES, Simd, dispatch};

/// Rows that are turned into columns together.
const STRIP: usize = 4;

/// Tokens whose sums are kept in registers at once.
const TOKENS: usize = 6;

/// Columns between two looks at whether there are more.
const STEP: usize = 8;

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
    let product = Product {
        dtype: w.dtype(),
        cols: w.cols(),
        row_bytes: w.row_bytes(),
        bytes,
        x,
        tokens,
        y,
    };
    dispatch(isa, product);
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

/// Activations of some tokens as f32, where they are integers.
type Converted = [[f32; CHUNK]; TOKENS];

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.bytes.len() / self.row_bytes;
        let mut panel: Panel = [[0.0; LANES]; CHUNK];
        let mut converted = [[0.0; CHUNK]; TOKENS];
        for start in (0..self.cols).step_by(CHUNK) {
            let width = CHUNK.min(self.cols - start);
            for first in (0..rows).step_by(LANES) {
                let lanes = LANES.min(rows - first);
                self.unpack(s, first, lanes, start, width, &mut panel);
                if first + lanes < rows {
                    self.fetch(first + lanes, start);
                } else {
                    self.fetch(0, start + width);
                }
                for token in (0..self.tokens).step_by(TOKENS) {
                    let count = TOKENS.min(self.tokens - token);
                    let x = self.inputs(token, count, start, width, &mut converted);
                    let mut sums = [s.splat(0.0); TOKENS];
                    let own =
                        |i: usize| (token + i) * rows + first..(token + i) * rows + first + lanes;
                    for (i, sum) in sums.iter_mut().enumerate().take(count) {
                        *sum = load(s, &self.y[own(i)]);
                    }
                    multiply(s, &panel[..width], x, &mut sums);
                    for (i, &sum) in sums.iter().enumerate().take(count) {
                        store(s, sum, &mut self.y[own(i)]);
                    }
                }
            }
        }
    }
}

impl Product<'_> {
    /// Fills the panel from `lanes` rows; what the other lanes hold does not matter.
    #[inline(always)]
    fn unpack<S: Simd>(
        &self,
        s: S,
        first: usize,
        lanes: usize,
        start: usize,
        width: usize,
        panel: &mut Panel,
    ) {
        let block = self.dtype.block_bytes();
        let (from, to) = (
            start / self.dtype.block_len() * block,
            (start + width) / self.dtype.block_len() * block,
        );
        let mut rows = [[0.0; CHUNK]; STRIP];
        for strip in (0..lanes).step_by(STRIP) {
            for (lane, row) in (strip..lanes).zip(&mut rows) {
                let bytes = &self.bytes[(first + lane) * self.row_bytes..][from..to];
                match self.dtype {
                    DType::F16 => widen(s, bytes, &mut row[..width]),
                    dtype => convert(dtype, bytes, &mut row[..width]),
                }
            }
            transpose(&rows, strip, &mut panel[..width]);
        }
    }

    /// Starts to fetch what the next panel is filled from: a chunk of the rows from `first` on.
    #[inline(always)]
    fn fetch(&self, first: usize, start: usize) {
        let (len, block) = (self.dtype.block_len(), self.dtype.block_bytes());
        let end = self.cols.min(start + CHUNK);
        let (from, to) = (start / len * block, end / len * block);
        let rows = self.bytes.chunks_exact(self.row_bytes).skip(first);
        for row in rows.take(LANES) {
            row[from..to].chunks(64).for_each(fetch_line);
        }
    }

    /// `width` activations of each of `count` tokens; the last one repeats in the places of those that are missing.
    #[inline(always)]
    fn inputs<'a>(
        &'a self,
        token: usize,
        count: usize,
        start: usize,
        width: usize,
        converted: &'a mut Converted,
    ) -> [&'a [f32]; TOKENS] {
        let mut inputs: [&[f32]; TOKENS] = [&[]; TOKENS];
        match self.x {
            Input::F32(x) => {
                for (i, input) in inputs.iter_mut().enumerate() {
                    let token = token + i.min(count - 1);
                    *input = &x[token * self.cols + start..][..width];
                }
            }
            Input::Integers(x) => {
                for (i, out) in converted[..count].iter_mut().enumerate() {
                    let group = (token + i) * Q15Group::count(self.cols) + start / Q15Group::LEN;
                    to_floats(&x[group], &mut out[..width]);
                }
                for (i, input) in inputs.iter_mut().enumerate() {
                    *input = &converted[i.min(count - 1)][..width];
                }
            }
        }
        inputs
    }
}

/// As [`Simd::load_part`], without a call where all lanes are there.
#[inline(always)]
fn load<S: Simd>(s: S, from: &[f32]) -> S::F {
    match from.as_array() {
        Some(all) => s.load(all),
        None => s.load_part(from, 0.0),
    }
}

/// As [`Simd::store_part`], without a call where all lanes are there.
#[inline(always)]
fn store<S: Simd>(s: S, v: S::F, to: &mut [f32]) {
    match to.as_mut_array() {
        Some(all) => s.store(v, all),
        None => s.store_part(v, to),
    }
}

/// As [`convert`], with the processor's conversion.
#[inline(always)]
fn widen<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
    let (halves, rest) = bytes.as_chunks::<{ 2 * LANES }>();
    let (blocks, out_rest) = out.as_chunks_mut::<LANES>();
    for (bytes, out) in halves.iter().zip(blocks) {
        let halves: [f16; LANES] = bytemuck::pod_read_unaligned(bytes);
        s.store(s.load_f16(&halves), out);
    }
    convert(DType::F16, rest, out_rest);
}

#[inline(always)]
fn to_floats(group: &Q15Group, out: &mut [f32]) {
    for (i, out) in out.chunks_mut(32).enumerate() {
        for (j, y) in out.iter_mut().enumerate() {
            *y = group.scales[i] * f32::from(group.integer(32 * i + j));
        }
    }
}

/// Adds the products of all columns of a panel with each token's activations, which are as many.
#[inline(always)]
fn multiply<S: Simd>(s: S, panel: &[[f32; LANES]], x: [&[f32]; TOKENS], out: &mut [S::F; TOKENS]) {
    let mut sums = *out;
    let (blocks, last) = panel.as_chunks::<STEP>();
    let mut steps: [&[[f32; STEP]]; TOKENS] = [&[]; TOKENS];
    for token in 0..TOKENS {
        steps[token] = &x[token].as_chunks().0[..blocks.len()];
    }
    for (i, columns) in blocks.iter().enumerate() {
        for (col, column) in columns.iter().enumerate() {
            let w = s.load(column);
            for token in 0..TOKENS {
                sums[token] = s.mul_add(w, s.splat(steps[token][i][col]), sums[token]);
            }
        }
    }
    for (column, col) in last.iter().zip(blocks.len() * STEP..) {
        let w = s.load(column);
        for token in 0..TOKENS {
            sums[token] = s.mul_add(w, s.splat(x[token][col]), sums[token]);
        }
    }
    *out = sums;
}
