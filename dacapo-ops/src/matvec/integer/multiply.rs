//! Products of 32 bytes with 32 bytes, summed in fours.
#![allow(
    unsafe_code,
    reason = "calls that need the processor to have these instructions, and unaligned loads"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Sums of products: lane `i` has those of elements `4 * i .. 4 * i + 4`.
pub(super) const LANES: usize = 8;

pub(super) trait Multiply {
    /// `q` is at most 63.
    fn unsigned(q: &[u8; 32], x: &[i8; 32]) -> [i32; LANES];

    /// `x` is at least -127.
    fn signed(q: &[i8; 32], x: &[i8; 32]) -> [i32; LANES];
}

/// On any processor.
pub(super) struct Plain;

impl Multiply for Plain {
    #[inline(always)]
    fn unsigned(q: &[u8; 32], x: &[i8; 32]) -> [i32; LANES] {
        let mut sums = [0; LANES];
        for i in 0..32 {
            sums[i / 4] += i32::from(q[i]) * i32::from(x[i]);
        }
        sums
    }

    #[inline(always)]
    fn signed(q: &[i8; 32], x: &[i8; 32]) -> [i32; LANES] {
        let mut sums = [0; LANES];
        for i in 0..32 {
            sums[i / 4] += i32::from(q[i]) * i32::from(x[i]);
        }
        sums
    }
}

/// With `vpmaddubsw`, which adds two products of unsigned with signed bytes in 16 bits, saturating: 2 * 63 * 127 and
/// 2 * 128 * 127 fit. Only named where the level is known to be AVX2 or above.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Multiply for Avx2 {
    #[inline(always)]
    fn unsigned(q: &[u8; 32], x: &[i8; 32]) -> [i32; LANES] {
        // SAFETY: only called where the level is AVX2 or above, and 32 bytes are readable at each address.
        unsafe {
            let q = _mm256_loadu_si256(q.as_ptr().cast());
            let x = _mm256_loadu_si256(x.as_ptr().cast());
            let pairs = _mm256_maddubs_epi16(q, x);
            bytemuck::cast(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn signed(q: &[i8; 32], x: &[i8; 32]) -> [i32; LANES] {
        // SAFETY: as above.
        unsafe {
            let q = _mm256_loadu_si256(q.as_ptr().cast());
            let x = _mm256_loadu_si256(x.as_ptr().cast());
            // |q| * (x with the sign of q); |-128| is 128 as an unsigned byte.
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
            bytemuck::cast(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}
