//! Two 256-bit registers.
#![allow(
    unsafe_code,
    reason = "instructions that only the holder of the token may run"
)]

use std::arch::x86_64::*;

use half::f16;

use super::{Kernel, LANES, Simd};
use crate::simd::{Isa, Level};

/// Made only by [`Avx2::run`], once the processor is known to have the level.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Runs `kernel` compiled for this level.
    #[inline]
    pub(super) fn run<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn compiled<K: Kernel>(token: Avx2, kernel: K) -> K::Output {
            kernel.run(token)
        }
        assert_eq!(isa.level(), Level::Avx2);
        // SAFETY: an `Isa` of this level exists only where the processor has these features.
        unsafe { compiled(Self(()), kernel) }
    }
}

/// Runs intrinsics of this level; the token in `self` is the proof that the processor has them.
macro_rules! intrinsics {
    ($body:expr) => {
        // SAFETY: `self` exists only where the processor has the level (see `run`), and loads and
        // stores stay within references to arrays of sixteen elements.
        unsafe { $body }
    };
}

/// One two-operand intrinsic on both halves.
macro_rules! both {
    ($f:ident($($v:ident),+)) => {
        intrinsics!([$f($($v[0]),+), $f($($v[1]),+)])
    };
}

impl Simd for Avx2 {
    type F = [__m256; 2];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        intrinsics!([_mm256_set1_ps(value); 2])
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let p = from.as_ptr();
        intrinsics!([_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))])
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        let p = to.as_mut_ptr();
        intrinsics!({
            _mm256_storeu_ps(p, v[0]);
            _mm256_storeu_ps(p.add(8), v[1]);
        });
    }

    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> Self::F {
        let p = from.as_ptr();
        intrinsics!([
            _mm256_cvtph_ps(_mm_loadu_si128(p.cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(p.add(8).cast())),
        ])
    }

    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [f16; LANES]) {
        let p = to.as_mut_ptr();
        intrinsics!({
            _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v[0]));
            _mm_storeu_si128(
                p.add(8).cast(),
                _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v[1]),
            );
        });
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        both!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn select_lt(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F {
        let mask: Self::F = intrinsics!([
            _mm256_cmp_ps::<_CMP_LT_OQ>(a[0], b[0]),
            _mm256_cmp_ps::<_CMP_LT_OQ>(a[1], b[1]),
        ]);
        both!(_mm256_blendv_ps(no, yes, mask))
    }

    #[inline(always)]
    fn any_gt(self, a: Self::F, b: Self::F) -> bool {
        intrinsics!({
            let low = _mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]);
            let high = _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1]);
            _mm256_movemask_ps(_mm256_or_ps(low, high)) != 0
        })
    }

    #[inline(always)]
    fn round(self, v: Self::F) -> Self::F {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        intrinsics!([
            _mm256_round_ps::<NEAREST>(v[0]),
            _mm256_round_ps::<NEAREST>(v[1])
        ])
    }

    #[inline(always)]
    fn scale_by_power(self, v: Self::F, n: Self::F) -> Self::F {
        both!(scale_by_power(v, n))
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
        intrinsics!(sum_rows(
            quarter(v[0]),
            quarter(v[1]),
            quarter(v[2]),
            quarter(v[3])
        ))
    }
}

/// `v * 2^n` in two factors, because one alone cannot express 2^-150 or 2^128.
#[inline]
#[target_feature(enable = "avx2")]
fn scale_by_power(v: __m256, n: __m256) -> __m256 {
    let n = _mm256_cvtps_epi32(n);
    let half = _mm256_srai_epi32::<1>(n);
    let bias = _mm256_set1_epi32(127);
    let power = |n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, bias)));
    _mm256_mul_ps(
        _mm256_mul_ps(v, power(half)),
        power(_mm256_sub_epi32(n, half)),
    )
}

/// Sixteen lanes to four: lane i + lane i + 8, then + 4.
#[inline]
#[target_feature(enable = "avx2")]
fn quarter(v: [__m256; 2]) -> __m128 {
    let a = _mm256_add_ps(v[0], v[1]);
    _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))
}

/// `(x[0] + x[2]) + (x[1] + x[3])` of each argument.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_rows(a: __m128, b: __m128, c: __m128, d: __m128) -> [f32; 4] {
    // Transposing first keeps the order of additions that `sum` has.
    let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
    let ab = _mm_add_ps(ab_low, ab_high);
    let cd = _mm_add_ps(cd_low, cd_high);
    let sums = _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
    bytemuck::cast(sums)
}
