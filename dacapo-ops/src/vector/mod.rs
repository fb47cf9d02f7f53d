//! Vectors of sixteen f32, the same at every instruction-set level.
//!
//! A kernel is written once, as a [`Kernel`] over some [`Simd`], and [`dispatch`] compiles it for each
//! level. Because a vector always has sixteen lanes (one AVX-512 register, two of AVX2, a plain array
//! elsewhere), sums are taken in the same order at every level; levels differ only in whether
//! multiply-add rounds once (all but [`Portable`] on processors without a fused instruction).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod math;
mod portable;
#[cfg(test)]
mod tests;

use half::f16;

pub(crate) use math::{exp, gelu_erf, gelu_tanh, sigmoid, sin_cos_turns, tanh};

use crate::simd::Isa;
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;
pub(crate) use portable::Portable;

/// Lanes of one vector.
pub(crate) const LANES: usize = 16;

/// The operations of one level on vectors of [`LANES`] f32.
///
/// A value of an implementing type proves that the processor has the level.
pub(crate) trait Simd: Copy {
    type F: Copy;

    fn splat(self, value: f32) -> Self::F;
    fn load(self, from: &[f32; LANES]) -> Self::F;
    fn store(self, v: Self::F, to: &mut [f32; LANES]);
    fn load_f16(self, from: &[f16; LANES]) -> Self::F;
    /// Rounds to nearest, ties to even.
    fn store_f16(self, v: Self::F, to: &mut [f16; LANES]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The lesser of `a` and `b`; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The greater of `a` and `b`; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `yes` where `a < b`, else `no` (also where either is NaN).
    fn select_lt(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F;
    /// Whether `a > b` in any lane.
    fn any_gt(self, a: Self::F, b: Self::F) -> bool;
    /// To the nearest integer, ties to even, for magnitudes below 2^22.
    fn round(self, v: Self::F) -> Self::F;
    /// `v * 2^n` for integral `n` in -300..=300, with gradual underflow.
    fn scale_by_power(self, v: Self::F, n: Self::F) -> Self::F;

    /// Sum of the lanes, halving: lane i + lane i + 8, then + 4, + 2, + 1.
    fn sum(self, v: Self::F) -> f32;
    /// `sum` of each.
    #[inline(always)]
    fn sum4(self, v: [Self::F; 4]) -> [f32; 4] {
        [
            self.sum(v[0]),
            self.sum(v[1]),
            self.sum(v[2]),
            self.sum(v[3]),
        ]
    }

    /// Greatest lane, NaN passed over; negative infinity if there is none.
    #[inline(always)]
    fn max_lane(self, v: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(v, &mut lanes);
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Up to [`LANES`] values, the missing ones filled with `fill`.
    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> Self::F {
        let mut lanes = [fill; LANES];
        lanes[..from.len()].copy_from_slice(from);
        self.load(&lanes)
    }

    /// The first `to.len()` lanes.
    #[inline(always)]
    fn store_part(self, v: Self::F, to: &mut [f32]) {
        let mut lanes = [0.0; LANES];
        self.store(v, &mut lanes);
        to.copy_from_slice(&lanes[..to.len()]);
    }
}

/// A computation written once for every level.
///
/// `run` must be `#[inline(always)]`, as must all that it calls with `s`: only code inlined into the
/// level's own function is compiled for the level. Closures cannot be marked so: no vector operation
/// belongs into one.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

/// Runs `kernel` compiled for `isa`.
///
/// [`Level::Neon`](crate::simd::Level::Neon) is part of the baseline of every aarch64 target, so
/// [`Portable`] compiled for such a target already uses it.
#[inline]
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa.level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::Avx512::run(isa, kernel),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::Avx2::run(isa, kernel),
        _ => kernel.run(Portable),
    }
}

/// Replaces each element `x` of a slice: `map_in_place!(s, xs, |x| vector expression)`.
///
/// A macro, like the two below, because a closure would be compiled without the level's instructions and
/// only sometimes inlined: silu_mul took 20 us instead of 0.3 so (SmolLM2's width, Zen 4).
macro_rules! map_in_place {
    ($s:expr, $xs:expr, |$x:ident| $y:expr) => {{
        let (blocks, tail) = $xs.as_chunks_mut::<{ $crate::vector::LANES }>();
        for block in blocks {
            let $x = $s.load(block);
            $s.store($y, block);
        }
        if !tail.is_empty() {
            let $x = $s.load_part(tail, 0.0);
            $s.store_part($y, tail);
        }
    }};
}
pub(crate) use map_in_place;

/// Replaces each element `x` of a slice, with its fellow `y` of another one of the same length.
macro_rules! zip_in_place {
    ($s:expr, $xs:expr, $ys:expr, |$x:ident, $y:ident| $z:expr) => {{
        let (blocks, tail) = $xs.as_chunks_mut::<{ $crate::vector::LANES }>();
        let (others, other_tail) = $ys.as_chunks::<{ $crate::vector::LANES }>();
        for (block, other) in blocks.iter_mut().zip(others) {
            let ($x, $y) = ($s.load(block), $s.load(other));
            $s.store($z, block);
        }
        if !tail.is_empty() {
            let ($x, $y) = ($s.load_part(tail, 0.0), $s.load_part(other_tail, 0.0));
            $s.store_part($z, tail);
        }
    }};
}
pub(crate) use zip_in_place;

/// Writes each element of a slice from the fellows `x` and `y` of two others of the same length.
macro_rules! zip_to {
    ($s:expr, $xs:expr, $ys:expr, $out:expr, |$x:ident, $y:ident| $z:expr) => {{
        let (blocks, tail) = $out.as_chunks_mut::<{ $crate::vector::LANES }>();
        let (xs, x_tail) = $xs.as_chunks::<{ $crate::vector::LANES }>();
        let (ys, y_tail) = $ys.as_chunks::<{ $crate::vector::LANES }>();
        for (block, (x, y)) in blocks.iter_mut().zip(xs.iter().zip(ys)) {
            let ($x, $y) = ($s.load(x), $s.load(y));
            $s.store($z, block);
        }
        if !tail.is_empty() {
            let ($x, $y) = ($s.load_part(x_tail, 0.0), $s.load_part(y_tail, 0.0));
            $s.store_part($z, tail);
        }
    }};
}
pub(crate) use zip_to;

/// Greatest element, NaN passed over; negative infinity if there is none.
#[inline(always)]
pub(crate) fn max_of<S: Simd>(s: S, xs: &[f32]) -> f32 {
    let (blocks, tail) = xs.as_chunks::<LANES>();
    let mut best = s.splat(f32::NEG_INFINITY);
    for block in blocks {
        // In this order a NaN of the block leaves `best` as it is.
        best = s.max(s.load(block), best);
    }
    tail.iter().copied().fold(s.max_lane(best), f32::max)
}

/// Sum of the elements: of sixteen strided lanes, then across.
#[inline(always)]
pub(crate) fn sum_of<S: Simd>(s: S, xs: &[f32]) -> f32 {
    let (blocks, tail) = xs.as_chunks::<LANES>();
    let mut sum = s.splat(0.0);
    for block in blocks {
        sum = s.add(sum, s.load(block));
    }
    s.sum(s.add(sum, s.load_part(tail, 0.0)))
}

/// [`exp`] of one value.
#[inline(always)]
pub(crate) fn exp_one<S: Simd>(s: S, x: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    s.store(exp(s, s.splat(x)), &mut lanes);
    lanes[0]
}
