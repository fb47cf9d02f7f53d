//! Plain arrays, left to the compiler.

use std::array::from_fn;

use half::f16;

use super::{LANES, Simd};

/// The level that every processor has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Without a fused instruction `f32::mul_add` is a library call of some 20 ns.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

impl Simd for Portable {
    type F = [f32; LANES];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }

    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        *to = v;
    }

    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> Self::F {
        from.map(f16::to_f32)
    }

    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [f16; LANES]) {
        *to = v.map(f16::from_f32);
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        from_fn(|i| {
            if FUSED {
                a[i].mul_add(b[i], c[i])
            } else {
                a[i] * b[i] + c[i]
            }
        })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn select_lt(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F {
        from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }

    #[inline(always)]
    fn any_gt(self, a: Self::F, b: Self::F) -> bool {
        (0..LANES).fold(false, |any, i| any | (a[i] > b[i]))
    }

    #[inline(always)]
    fn round(self, v: Self::F) -> Self::F {
        // Adding 1.5 * 2^23 leaves no bits for a fraction; vectorises where `round_ties_even` is a call.
        const SHIFT: f32 = 12_582_912.0;
        v.map(|x| (x + SHIFT) - SHIFT)
    }

    #[inline(always)]
    fn scale_by_power(self, v: Self::F, n: Self::F) -> Self::F {
        // Two factors, because one alone cannot express 2^-150 or 2^128.
        from_fn(|i| {
            let n = n[i] as i32;
            let half = n >> 1;
            v[i] * power_of_two(half) * power_of_two(n - half)
        })
    }

    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        let a: [f32; 8] = from_fn(|i| v[i] + v[i + 8]);
        let b: [f32; 4] = from_fn(|i| a[i] + a[i + 4]);
        (b[0] + b[2]) + (b[1] + b[3])
    }
}

/// 2^n for n in -126..=127; anything else only has to be harmless.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}
