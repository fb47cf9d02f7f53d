//! Products of 32 weights with 32 activations, summed in fours.
#![allow(
    unsafe_code,
    reason = "calls that need the processor to have these instructions, and unaligned loads"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::quant::Q15Group;
use crate::quant::blocks::half_to_f32;
#[cfg(target_arch = "x86_64")]
use crate::quant::blocks::half_to_f32_f16c;

/// Sums of products: lane `i` has those of elements `4 * i .. 4 * i + 4`.
pub(super) const LANES: usize = 8;

/// The two parts of the activations of a block.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    high: &'a [i8; 32],
    low: &'a [u8; 32],
}

impl<'a> Parts<'a> {
    #[inline(always)]
    pub(super) fn of(x: &'a Q15Group, block: usize) -> Self {
        Self {
            high: &x.high.as_chunks().0[block],
            low: &x.low.as_chunks().0[block],
        }
    }

    #[inline(always)]
    fn integers(self) -> [i32; 32] {
        let mut integers = [0; 32];
        for (i, q) in integers.iter_mut().enumerate() {
            *q = i32::from(self.high[i]) * 128 + i32::from(self.low[i]);
        }
        integers
    }
}

pub(super) trait Multiply {
    /// `q` is at most 63.
    fn unsigned(q: &[u8; 32], x: Parts<'_>) -> [i32; LANES];

    fn signed(q: &[i8; 32], x: Parts<'_>) -> [i32; LANES];

    /// f16 to f32.
    fn half(bytes: [u8; 2]) -> f32;
}

/// On any processor.
pub(super) struct Plain;

impl Multiply for Plain {
    #[inline(always)]
    fn unsigned(q: &[u8; 32], x: Parts<'_>) -> [i32; LANES] {
        let x = x.integers();
        let mut sums = [0; LANES];
        for i in 0..32 {
            sums[i / 4] += i32::from(q[i]) * x[i];
        }
        sums
    }

    #[inline(always)]
    fn signed(q: &[i8; 32], x: Parts<'_>) -> [i32; LANES] {
        let x = x.integers();
        let mut sums = [0; LANES];
        for i in 0..32 {
            sums[i / 4] += i32::from(q[i]) * x[i];
        }
        sums
    }

    #[inline(always)]
    fn half(bytes: [u8; 2]) -> f32 {
        half_to_f32(bytes)
    }
}

/// With `vpmaddubsw`, which adds two products of unsigned with signed bytes in 16 bits, saturating: 2 * 128 * 127 fits.
/// Only named where the level is known to be AVX2 or above.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Multiply for Avx2 {
    #[inline(always)]
    fn unsigned(q: &[u8; 32], x: Parts<'_>) -> [i32; LANES] {
        // SAFETY: only called where the level is AVX2 or above, and 32 bytes are readable at each address.
        unsafe {
            let q = _mm256_loadu_si256(q.as_ptr().cast());
            let high = _mm256_loadu_si256(x.high.as_ptr().cast());
            let low = _mm256_loadu_si256(x.low.as_ptr().cast());
            join(_mm256_maddubs_epi16(q, high), _mm256_maddubs_epi16(q, low))
        }
    }

    #[inline(always)]
    fn signed(q: &[i8; 32], x: Parts<'_>) -> [i32; LANES] {
        // SAFETY: as above.
        unsafe {
            let q = _mm256_loadu_si256(q.as_ptr().cast());
            let high = _mm256_loadu_si256(x.high.as_ptr().cast());
            let low = _mm256_loadu_si256(x.low.as_ptr().cast());
            // |q| * (high with the sign of q); |-128| is 128 as an unsigned byte.
            let high = _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(high, q));
            join(high, _mm256_maddubs_epi16(low, q))
        }
    }

    #[inline(always)]
    fn half(bytes: [u8; 2]) -> f32 {
        // SAFETY: the level AVX2 includes F16C.
        unsafe { half_to_f32_f16c(bytes) }
    }
}

/// `128 * high + low`, each lane's two sums added.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn join(high: __m256i, low: __m256i) -> [i32; LANES] {
    let high = _mm256_madd_epi16(high, _mm256_set1_epi16(128));
    let low = _mm256_madd_epi16(low, _mm256_set1_epi16(1));
    bytemuck::cast(_mm256_add_epi32(high, low))
}
