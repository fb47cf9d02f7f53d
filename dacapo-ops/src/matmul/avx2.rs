//! Integer tiles with AVX2.
//!
//! A panel holds 16 rows; a dword of it holds two consecutive columns of one row as integers of 16 bits, so that
//! `vpmaddwd` with a dword of activations broadcast to all lanes advances eight rows by two columns. A lane goes through
//! 32 columns (16 for Q6_K) in integers, and only then is it scaled.
#![allow(
    unsafe_code,
    reason = "unaligned loads and stores, and calls that need the processor to have these instructions"
)]

use std::arch::x86_64::*;

use super::TILE_ROWS;
use super::unpack::{Unpack, Unpacked};
use crate::dtype::DType;
use crate::quant::blocks::{Q4_0, Q4_1, Q4K, Q6K, Q8_0, half_to_f32_f16c};
use crate::quant::{Q15Group, WeightMatrix};
use crate::simd::{Isa, Level};

/// Rows in a panel: two registers of eight lanes.
const ROWS: usize = 16;

/// Lanes of a register.
const LANES: usize = 8;

/// Panels that are unpacked before any token goes through.
const PANELS: usize = TILE_ROWS / ROWS;

/// Tokens whose sums are kept in registers at once.
const TOKENS: usize = 6;

/// Pairs of columns in a group.
const PAIRS: usize = Q15Group::LEN / 2;

/// The weights of [`ROWS`] rows that face one group of activations.
#[repr(C, align(32))]
struct Panel {
    pairs: [[[i16; 2]; ROWS]; PAIRS],
    /// For each 16 columns, or each 32 in the first eight.
    scales: [[f32; ROWS]; 16],
    /// For each 32 columns.
    offsets: [[f32; ROWS]; 8],
}

impl Panel {
    const ZERO: Self = Self {
        pairs: [[[0; 2]; ROWS]; PAIRS],
        scales: [[0.0; ROWS]; 16],
        offsets: [[0.0; ROWS]; 8],
    };
}

/// A group of a token's activations, its integers joined.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Token {
    pairs: [[i16; 2]; PAIRS],
    scales: [f32; 8],
    /// What each 32 columns' offset is multiplied with.
    sums: [f32; 8],
}

impl Token {
    const ZERO: Self = Self {
        pairs: [[0; 2]; PAIRS],
        scales: [0.0; 8],
        sums: [0.0; 8],
    };
}

pub(super) fn product(isa: Isa, w: &WeightMatrix<'_>, bytes: &[u8], x: &[Q15Group], y: &mut [f32]) {
    assert_eq!(isa.level(), Level::Avx2, "the caller chose this kernel");
    // SAFETY: an `Isa` of this level is proof that the processor has these features.
    unsafe {
        match w.dtype() {
            DType::Q8_0 => tiles::<Q8_0, 16>(w, bytes, x, y),
            DType::Q4_0 => tiles::<Q4_0, 16>(w, bytes, x, y),
            DType::Q4_1 => tiles::<Q4_1, 16>(w, bytes, x, y),
            DType::Q4K => tiles::<Q4K, 16>(w, bytes, x, y),
            DType::Q6K => tiles::<Q6K, 8>(w, bytes, x, y),
            DType::F32 | DType::F16 | DType::BF16 | DType::U32 => {}
        }
    }
}

/// `STEPS` is the number of pairs that share a scale.
#[target_feature(enable = "avx2,fma,f16c")]
fn tiles<B: Unpack, const STEPS: usize>(
    w: &WeightMatrix<'_>,
    bytes: &[u8],
    x: &[Q15Group],
    y: &mut [f32],
) {
    let rows = bytes.len() / w.row_bytes();
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    let (per_row, per_group) = (w.cols() / B::LEN, Q15Group::LEN / B::LEN);
    let groups = Q15Group::count(w.cols());
    let mut panels = [const { Panel::ZERO }; PANELS];
    let mut tokens = [Token::ZERO; TOKENS];
    for first in (0..rows).step_by(PANELS * ROWS) {
        let lanes = (PANELS * ROWS).min(rows - first);
        for group in 0..groups {
            let from = group * per_group;
            let count = per_group.min(per_row - from);
            for (start, panel) in (0..lanes).step_by(ROWS).zip(&mut panels) {
                let strip = &blocks[(first + start) * per_row + from..];
                fill(panel, strip, per_row, count, ROWS.min(lanes - start));
            }
            let spans = count * B::LEN / (2 * STEPS);
            for (x, y) in x.chunks(TOKENS * groups).zip(y.chunks_mut(TOKENS * rows)) {
                for (token, x) in tokens.iter_mut().zip(x.chunks_exact(groups)) {
                    join(&x[group], token);
                }
                let present = y.len() / rows;
                for (start, panel) in (0..lanes).step_by(ROWS).zip(&panels) {
                    let at = first + start;
                    let lanes = ROWS.min(lanes - start);
                    match present {
                        1..=2 => {
                            multiply::<B, STEPS, 2>(panel, &tokens, spans, y, rows, at, lanes);
                        }
                        3..=4 => {
                            multiply::<B, STEPS, 4>(panel, &tokens, spans, y, rows, at, lanes);
                        }
                        _ => {
                            multiply::<B, STEPS, TOKENS>(panel, &tokens, spans, y, rows, at, lanes)
                        }
                    }
                }
            }
        }
    }
}

/// Fills a panel with `count` blocks of each of `lanes` rows, of which `strip` begins with the first one's.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn fill<B: Unpack>(panel: &mut Panel, strip: &[B], per_row: usize, count: usize, lanes: usize) {
    let mut integers = [[0; Q15Group::LEN]; LANES];
    let mut row = Unpacked::ZERO;
    for start in (0..lanes).step_by(LANES) {
        for (lane, integers) in (start..lanes).zip(&mut integers) {
            let blocks = &strip[lane * per_row..][..count];
            B::unpack(blocks, |half| half_to_f32_f16c(half), &mut row);
            for (to, from) in integers.iter_mut().zip(&row.values) {
                *to = i16::from(*from) - B::MINUS as i16;
            }
            for (to, from) in panel.scales.iter_mut().zip(&row.scales) {
                to[lane] = *from;
            }
            if B::OFFSETS {
                for (to, from) in panel.offsets.iter_mut().zip(&row.offsets) {
                    to[lane] = *from;
                }
            }
        }
        transpose(&integers, start, &mut panel.pairs);
    }
}

/// Writes the pairs of eight rows to lanes `at .. at + 8`.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(
    rows: &[[i16; Q15Group::LEN]; LANES],
    at: usize,
    pairs: &mut [[[i16; 2]; ROWS]; PAIRS],
) {
    for (i, columns) in pairs.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // Four pairs of a row, and below them those of the row four further.
        let four = |row: usize| {
            let part = |row: usize| -> __m128i {
                bytemuck::cast::<[i16; 8], _>(rows[row].as_chunks().0[i])
            };
            _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(part(row)), part(row + 4))
        };
        let [a, b, c, d] = [four(0), four(1), four(2), four(3)];
        let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        let turned = [
            _mm256_unpacklo_epi64(ab_low, cd_low),
            _mm256_unpackhi_epi64(ab_low, cd_low),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ];
        for (column, turned) in columns.iter_mut().zip(turned) {
            column[at..at + LANES].copy_from_slice(&bytemuck::cast::<_, [[i16; 2]; LANES]>(turned));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn join(group: &Q15Group, token: &mut Token) {
    let integers: &mut [i16; Q15Group::LEN] = bytemuck::cast_mut(&mut token.pairs);
    for (i, to) in integers.iter_mut().enumerate() {
        *to = group.integer(i);
    }
    token.scales = group.scales;
    for (block, sum) in token.sums.iter_mut().enumerate() {
        *sum = group.scales[block] * group.sum(block) as f32;
    }
}

/// Adds the products of a panel with some tokens to lanes `at .. at + lanes` of their rows of `y`, which are `stride`
/// apart; there may be fewer rows than tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<B: Unpack, const STEPS: usize, const COUNT: usize>(
    panel: &Panel,
    tokens: &[Token; TOKENS],
    spans: usize,
    y: &mut [f32],
    stride: usize,
    at: usize,
    lanes: usize,
) {
    let mut sums = [[0.0; ROWS]; COUNT];
    for (sums, y) in sums.iter_mut().zip(y.chunks_exact(stride)) {
        copy(&y[at..at + lanes], &mut sums[..lanes]);
    }
    let columns = panel.pairs.as_chunks::<STEPS>().0;
    for (span, columns) in columns[..spans].iter().enumerate() {
        let mut products = [[_mm256_setzero_si256(); 2]; COUNT];
        for (step, column) in columns.iter().enumerate() {
            let w: [__m256i; 2] = bytemuck::cast(*column);
            for token in 0..COUNT {
                let pair = tokens[token].pairs.as_chunks::<STEPS>().0[span][step];
                let x = _mm256_set1_epi32(bytemuck::cast(pair));
                for half in 0..2 {
                    let product = _mm256_madd_epi16(w[half], x);
                    products[token][half] = _mm256_add_epi32(products[token][half], product);
                }
            }
        }
        let block = span * STEPS / 16;
        let scales: [__m256; 2] = bytemuck::cast(panel.scales[span]);
        for token in 0..COUNT {
            let mut sum: [__m256; 2] = bytemuck::cast(sums[token]);
            let scale = _mm256_set1_ps(tokens[token].scales[block]);
            for half in 0..2 {
                let product = _mm256_cvtepi32_ps(products[token][half]);
                sum[half] = _mm256_fmadd_ps(product, _mm256_mul_ps(scales[half], scale), sum[half]);
            }
            if B::OFFSETS {
                let offsets: [__m256; 2] = bytemuck::cast(panel.offsets[block]);
                let by = _mm256_set1_ps(tokens[token].sums[block]);
                for half in 0..2 {
                    sum[half] = _mm256_fmadd_ps(offsets[half], by, sum[half]);
                }
            }
            sums[token] = bytemuck::cast(sum);
        }
    }
    for (sums, y) in sums.iter().zip(y.chunks_exact_mut(stride)) {
        copy(&sums[..lanes], &mut y[at..at + lanes]);
    }
}

/// Between slices of the same length, mostly [`ROWS`], which takes no call.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    match (from.as_array::<ROWS>(), to.as_mut_array::<ROWS>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}
