//! One 512-bit register.
#![allow(
    unsafe_code,
    reason = "instructions that only the holder of the token may run"
)]

use std::arch::x86_64::*;

use half::f16;

use super::{Kernel, LANES, Simd};
use crate::simd::{Isa, Level};

/// Made only by [`Avx512::run`], once the processor is known to have the level.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Runs `kernel` compiled for this level.
    #[inline]
    pub(super) fn run<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
        fn compiled<K: Kernel>(token: Avx512, kernel: K) -> K::Output {
            kernel.run(token)
        }
        assert_eq!(isa.level(), Level::Avx512);
        // SAFETY: an `Isa` of this level exists only where the processor has these features.
        unsafe { compiled(Self(()), kernel) }
    }
}

/// Runs intrinsics of this level; the token in `self` is the proof that the processor has them.
macro_rules! intrinsics {
    ($body:expr) => {
        // SAFETY: `self` exists only where the processor has the level (see `run`), and loads and
        // stores go through references to whole arrays of the width moved.
        unsafe { $body }
    };
}

impl Simd for Avx512 {
    type F = __m512;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        intrinsics!(_mm512_set1_ps(value))
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        intrinsics!(_mm512_loadu_ps(from.as_ptr()))
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        intrinsics!(_mm512_storeu_ps(to.as_mut_ptr(), v));
    }

    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> Self::F {
        intrinsics!(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [f16; LANES]) {
        intrinsics!({
            let narrow = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), narrow);
        });
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        intrinsics!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn select_lt(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F {
        intrinsics!(_mm512_mask_blend_ps(
            _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b),
            no,
            yes
        ))
    }

    #[inline(always)]
    fn any_gt(self, a: Self::F, b: Self::F) -> bool {
        intrinsics!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0)
    }

    #[inline(always)]
    fn round(self, v: Self::F) -> Self::F {
        intrinsics!(_mm512_roundscale_ps::<_MM_FROUND_TO_NEAREST_INT>(v))
    }

    #[inline(always)]
    fn scale_by_power(self, v: Self::F, n: Self::F) -> Self::F {
        intrinsics!(_mm512_scalef_ps(v, n))
    }

    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        intrinsics!({
            let b = quarter(v);
            let c = _mm_add_ps(b, _mm_movehl_ps(b, b));
            _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps::<1>(c, c)))
        })
    }

    #[inline(always)]
    fn sum4(self, v: [Self::F; 4]) -> [f32; 4] {
        intrinsics!({
            super::avx2::sum_rows(quarter(v[0]), quarter(v[1]), quarter(v[2]), quarter(v[3]))
        })
    }
}

/// Sixteen lanes to four: lane i + lane i + 8, then + 4.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn quarter(v: __m512) -> __m128 {
    let a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
    _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))
}
