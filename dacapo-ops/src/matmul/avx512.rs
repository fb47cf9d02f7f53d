//! Integer tiles with AVX-512 and its dot-product instruction.
//!
//! A panel holds 32 rows; a dword of it holds four consecutive columns of one row, so that `vpdpbusd` with a dword of
//! activations broadcast to all lanes advances 16 rows by four columns. A lane goes through 32 columns (16 for Q6_K)
//! with the upper parts of the activations, then with the lower parts, and only then is it scaled.
#![allow(
    unsafe_code,
    reason = "unaligned loads, and calls that need the processor to have these instructions"
)]

use std::arch::x86_64::*;
use std::hint::black_box;

use bytemuck::Pod;

use super::unpack::{Unpack, Unpacked};
use crate::dtype::DType;
use crate::quant::blocks::{Q4_0, Q4_1, Q4K, Q6K, Q8_0, half_to_f32_f16c};
use crate::quant::{Q15Group, WeightMatrix};
use crate::simd::{Isa, Level};

/// Rows in a panel: two registers of 16 lanes.
const ROWS: usize = 32;

/// Tokens whose sums are kept in registers at once.
const TOKENS: usize = 4;

/// The weights of [`ROWS`] rows that face one group of activations.
#[repr(C, align(64))]
struct Panel {
    values: [[[u8; 4]; ROWS]; 64],
    /// For each 16 columns, or each 32 in the first eight.
    scales: [[f32; ROWS]; 16],
    offsets: [[f32; ROWS]; 8],
}

pub(super) fn product(isa: Isa, w: &WeightMatrix<'_>, bytes: &[u8], x: &[Q15Group], y: &mut [f32]) {
    assert_eq!(isa.level(), Level::Avx512, "the caller chose this kernel");
    // SAFETY: an `Isa` of this level is proof that the processor has these features.
    unsafe {
        match w.dtype() {
            DType::Q8_0 => tiles::<Q8_0>(w, bytes, x, y),
            DType::Q4_0 => tiles::<Q4_0>(w, bytes, x, y),
            DType::Q4_1 => tiles::<Q4_1>(w, bytes, x, y),
            DType::Q4K => tiles::<Q4K>(w, bytes, x, y),
            DType::Q6K => tiles::<Q6K>(w, bytes, x, y),
            DType::F32 | DType::F16 | DType::BF16 | DType::U32 => {}
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn tiles<B: Unpack>(w: &WeightMatrix<'_>, bytes: &[u8], x: &[Q15Group], y: &mut [f32]) {
    let rows = bytes.len() / w.row_bytes();
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    let (per_row, per_group) = (w.cols() / B::LEN, Q15Group::LEN / B::LEN);
    let groups = Q15Group::count(w.cols());
    let mut panel = Panel {
        values: [[[0; 4]; ROWS]; 64],
        scales: [[0.0; ROWS]; 16],
        offsets: [[0.0; ROWS]; 8],
    };
    for first in (0..rows).step_by(ROWS) {
        let lanes = ROWS.min(rows - first);
        for group in 0..groups {
            let from = group * per_group;
            let count = per_group.min(per_row - from);
            for lane in 0..lanes {
                let row = &blocks[(first + lane) * per_row..][from..from + count];
                fill(&mut panel, lane, row);
            }
            let spans = count * B::LEN / B::SPAN;
            let x = x[group..].chunks(groups);
            let mut y = y.chunks_mut(rows);
            let mut x = x.map(|x| &x[0]);
            // Tokens go through in fours; the last ones repeat in the places of those that are missing.
            while let Some(head) = x.next() {
                let mut four = [head; TOKENS];
                let mut outs: [Option<&mut [f32]>; TOKENS] = [const { None }; TOKENS];
                outs[0] = y.next();
                for i in 1..TOKENS {
                    if let Some(next) = x.next() {
                        four[i] = next;
                        outs[i] = y.next();
                    }
                }
                multiply::<B>(&panel, four, spans, first, lanes, outs);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn fill<B: Unpack>(panel: &mut Panel, lane: usize, blocks: &[B]) {
    let mut row = Unpacked::ZERO;
    B::unpack(blocks, |half| half_to_f32_f16c(half), &mut row);
    for (to, from) in panel.values.iter_mut().zip(row.values.as_chunks::<4>().0) {
        to[lane] = *from;
    }
    for (to, from) in panel.scales.iter_mut().zip(row.scales) {
        to[lane] = from;
    }
    if B::OFFSETS {
        for (to, from) in panel.offsets.iter_mut().zip(row.offsets) {
            to[lane] = from;
        }
    }
}

/// Adds the products of the panel with four tokens to lanes `first..` of `outs`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn multiply<B: Unpack>(
    panel: &Panel,
    x: [&Q15Group; TOKENS],
    spans: usize,
    first: usize,
    lanes: usize,
    outs: [Option<&mut [f32]>; TOKENS],
) {
    let masks = [mask(lanes), mask(lanes.saturating_sub(16))];
    let mut sums = [[_mm512_setzero_ps(); 2]; TOKENS];
    for token in 0..TOKENS {
        if let Some(out) = &outs[token] {
            sums[token] = load(&out[first..][..lanes], masks);
        }
    }
    // Unrolled, the compiler would reorder the products into one chain for each token, every one of which waits for the
    // one before it.
    let steps = black_box(B::SPAN / 4);
    for span in 0..spans {
        let mut products = [[_mm512_setzero_si512(); 2]; TOKENS];
        let base = span * steps;
        let values = &panel.values[base..][..steps];
        for (step, column) in values.iter().enumerate() {
            let column = pair(bytemuck::cast_ref(column));
            for token in 0..TOKENS {
                let x = broadcast(&x[token].high, base + step);
                for half in 0..2 {
                    products[token][half] =
                        _mm512_dpbusd_epi32(products[token][half], column[half], x);
                }
            }
        }
        for (products, x) in products.iter_mut().zip(x) {
            let minus = _mm512_set1_epi32(-B::MINUS * span_sum::<B>(x, span));
            for product in products {
                *product = _mm512_add_epi32(_mm512_slli_epi32::<7>(*product), minus);
            }
        }
        for (step, column) in values.iter().enumerate() {
            let column = pair(bytemuck::cast_ref(column));
            for token in 0..TOKENS {
                let x = broadcast(&x[token].low, base + step);
                for half in 0..2 {
                    products[token][half] =
                        _mm512_dpbusd_epi32(products[token][half], column[half], x);
                }
            }
        }
        let scales = pair(bytemuck::cast_ref(&panel.scales[span]));
        let scales = [
            _mm512_castsi512_ps(scales[0]),
            _mm512_castsi512_ps(scales[1]),
        ];
        for token in 0..TOKENS {
            let x_scale = x[token].scales[span * B::SPAN / 32];
            let scale = _mm512_set1_ps(x_scale);
            for half in 0..2 {
                let scale = _mm512_mul_ps(scales[half], scale);
                let product = _mm512_cvtepi32_ps(products[token][half]);
                sums[token][half] = _mm512_fmadd_ps(product, scale, sums[token][half]);
            }
            if B::OFFSETS {
                let offsets = pair(bytemuck::cast_ref(&panel.offsets[span]));
                let sum = _mm512_set1_ps(x_scale * span_sum::<B>(x[token], span) as f32);
                for half in 0..2 {
                    let offset = _mm512_castsi512_ps(offsets[half]);
                    sums[token][half] = _mm512_fmadd_ps(offset, sum, sums[token][half]);
                }
            }
        }
    }
    for (out, sums) in outs.into_iter().zip(sums) {
        if let Some(out) = out {
            store(&mut out[first..][..lanes], masks, sums);
        }
    }
}

/// Four parts of activations to all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast<T: Pod>(part: &[T; 256], step: usize) -> __m512i {
    _mm512_set1_epi32(bytemuck::cast(part.as_chunks::<4>().0[step]))
}

#[inline(always)]
fn span_sum<B: Unpack>(x: &Q15Group, span: usize) -> i32 {
    if B::SPAN == 16 {
        x.half_sums[span]
    } else {
        x.sum(span)
    }
}

/// The lowest `lanes` of 16.
#[inline(always)]
fn mask(lanes: usize) -> __mmask16 {
    if lanes >= 16 { !0 } else { (1 << lanes) - 1 }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn pair(of: &[[u8; 64]; 2]) -> [__m512i; 2] {
    // SAFETY: 64 bytes are readable at each; the loads need no alignment.
    unsafe {
        [
            _mm512_loadu_si512(of[0].as_ptr().cast()),
            _mm512_loadu_si512(of[1].as_ptr().cast()),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[f32], masks: [__mmask16; 2]) -> [__m512; 2] {
    debug_assert_eq!(
        from.len() as u32,
        masks[0].count_ones() + masks[1].count_ones()
    );
    let start = from.as_ptr();
    // SAFETY: the masks have as many lanes as the slice has elements, and lanes that are off are not read.
    unsafe {
        [
            _mm512_maskz_loadu_ps(masks[0], start),
            _mm512_maskz_loadu_ps(masks[1], start.wrapping_add(16)),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32], masks: [__mmask16; 2], sums: [__m512; 2]) {
    debug_assert_eq!(
        to.len() as u32,
        masks[0].count_ones() + masks[1].count_ones()
    );
    let start = to.as_mut_ptr();
    // SAFETY: the masks have as many lanes as the slice has elements, and lanes that are off are not written.
    unsafe {
        _mm512_mask_storeu_ps(start, masks[0], sums[0]);
        _mm512_mask_storeu_ps(start.wrapping_add(16), masks[1], sums[1]);
    }
}
