//! Integer dot products with AVX-512 and its dot-product instruction.
//!
//! `vpdpbusd` multiplies unsigned with signed bytes and adds each four products to a 32-bit lane. Weights are made
//! unsigned and multiplied with both parts of the activations; what the format subtracts from them, or adds, is
//! multiplied with the sums of the activations. Several rows go through at once: they share what is derived from the
//! activations, and their scales are converted together.
#![allow(
    unsafe_code,
    reason = "unaligned loads, and calls that need the processor to have these instructions"
)]

mod blocks256;
mod blocks32;

use std::arch::x86_64::*;

use crate::dtype::DType;
use crate::quant::Q15Group;
use crate::quant::blocks::{Block, Q4_0, Q4_1, Q4K, Q6K, Q8_0};
use crate::simd::{Isa, Level};

/// Rows that go through together.
const ROWS: usize = 4;

/// Bytes between the end of the rows that go through and what is prefetched.
const AHEAD: usize = 2048;

pub(super) fn rows(
    isa: Isa,
    dtype: DType,
    row_bytes: usize,
    bytes: &[u8],
    x: &[Q15Group],
    y: &mut [f32],
) {
    assert_eq!(isa.level(), Level::Avx512, "the caller chose this kernel");
    // SAFETY: an `Isa` of this level is proof that the processor has these features.
    unsafe {
        match dtype {
            DType::Q8_0 => each::<Q8_0>(row_bytes, bytes, x, y),
            DType::Q4_0 => each::<Q4_0>(row_bytes, bytes, x, y),
            DType::Q4_1 => each::<Q4_1>(row_bytes, bytes, x, y),
            DType::Q4K => each::<Q4K>(row_bytes, bytes, x, y),
            DType::Q6K => each::<Q6K>(row_bytes, bytes, x, y),
            DType::F32 | DType::F16 | DType::BF16 | DType::U32 => {}
        }
    }
}

/// The products of [`ROWS`] rows with one vector.
trait Dot: Block {
    /// # Safety
    /// The processor must have the features of [`Level::Avx512`].
    unsafe fn dot(rows: [&[Self]; ROWS], x: &[Q15Group]) -> [f32; ROWS];
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn each<B: Dot>(row_bytes: usize, bytes: &[u8], x: &[Q15Group], y: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    let per_row = row_bytes / size_of::<B>();
    for (y, rows) in y.chunks_mut(ROWS).zip(blocks.chunks(ROWS * per_row)) {
        // The last rows go through several times rather than in code of their own.
        let last = y.len() - 1;
        let mut four: [&[B]; ROWS] = [&[]; ROWS];
        for (i, row) in four.iter_mut().enumerate() {
            *row = &rows[i.min(last) * per_row..][..per_row];
        }
        // SAFETY: this function is compiled for these features.
        let sums = unsafe { B::dot(four, x) };
        y.copy_from_slice(&sums[..y.len()]);
    }
}

/// Fetches a part of the rows after those that go through, in step with taking `blocks` of each at a time.
///
/// Without this, the 28 MiB output matrix of SmolLM2-135M took 4.6 ms instead of 1.6 (one thread of a Zen 4 EPYC),
/// presumably because the processor's own prefetching does not follow rows by turns.
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch<B: Block>(first_row: &[B], blocks: usize, step: usize) {
    let bytes = ROWS * blocks * size_of::<B>();
    let at = ROWS * size_of_val(first_row) + AHEAD + step * bytes;
    // May be past the end of the matrix, where it does nothing.
    let start = first_row.as_ptr().cast::<i8>().wrapping_add(at);
    for line in (0..bytes).step_by(64) {
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line));
    }
}

/// Fetches the cache line that a slice begins in.
#[inline]
pub(super) fn fetch(line: &[u8]) {
    // SAFETY: every x86-64 processor has SSE, and fetching has no effect that a program could see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are readable; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Both parts of a quarter of a group's activations.
#[derive(Clone, Copy)]
struct Parts {
    high: __m512i,
    low: __m512i,
}

impl Parts {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(x: &Q15Group, quarter: usize) -> Self {
        let high: &[[i8; 64]; 4] = bytemuck::cast_ref(&x.high);
        let low: &[[u8; 64]; 4] = bytemuck::cast_ref(&x.low);
        Self {
            high: load(bytemuck::cast_ref(&high[quarter])),
            low: load(&low[quarter]),
        }
    }

    /// Products with unsigned weights, summed in fours.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn dot(self, q: __m512i) -> __m512 {
        let high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, self.high);
        let both = _mm512_dpbusd_epi32(_mm512_slli_epi32::<7>(high), q, self.low);
        _mm512_cvtepi32_ps(both)
    }
}

/// Unsigned 32-bit lanes from the bytes of a constant.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes(of: [u32; 16]) -> __m512i {
    load(bytemuck::cast_ref(&of))
}
