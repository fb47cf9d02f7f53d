//! On the CPU. Squares are summed in f64: no overflow for any finite input, and no error that grows with
//! the width, for a few nanoseconds a row.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use std::ops::Range;

use dacapo::{KernelFault, Workgroup};

use super::Params;
use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let weight = group.read::<f32>(1);
    let (rows, eps) = rows(group, 2);
    let x = &group.read::<f32>(0)[rows.clone()];
    // SAFETY: rows of different workgroups do not overlap.
    let out = unsafe { group.write::<f32>(2, rows) };
    rms_norm(Isa::detect(), x, weight, eps, out);
    Ok(())
}

pub(super) fn entry_unweighted(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let width = group.inline::<Params>().width as usize;
    let (rows, eps) = rows(group, 1);
    let x = &group.read::<f32>(0)[rows.clone()];
    // SAFETY: rows of different workgroups do not overlap.
    let out = unsafe { group.write::<f32>(1, rows) };
    rms_norm_unweighted(Isa::detect(), x, width, eps, out);
    Ok(())
}

pub(super) fn entry_in_place(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let weight = group.read::<f32>(1);
    let (rows, eps) = rows(group, 0);
    // SAFETY: rows of different workgroups do not overlap.
    let x = unsafe { group.write::<f32>(0, rows) };
    rms_norm_in_place(Isa::detect(), x, weight, eps);
    Ok(())
}

pub(super) fn entry_residual(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let weight = group.read::<f32>(2);
    let (rows, eps) = rows(group, 3);
    let x = &group.read::<f32>(1)[rows.clone()];
    // SAFETY: rows of different workgroups do not overlap.
    let h = unsafe { group.write::<f32>(0, rows.clone()) };
    // SAFETY: as above, and bindings of one dispatch that are written do not overlap.
    let out = unsafe { group.write::<f32>(3, rows) };
    add_rms_norm(Isa::detect(), h, x, weight, eps, out);
    Ok(())
}

/// The elements of this workgroup's rows of the tensor at `slot`, and the epsilon.
fn rows(group: &Workgroup<'_>, slot: u32) -> (Range<usize>, f32) {
    let Params {
        rows_per_group,
        width,
        eps,
    } = group.inline();
    let (len, chunk) = (
        group.len::<f32>(slot),
        rows_per_group as usize * width as usize,
    );
    let first = (group.id()[0] as usize * chunk).min(len);
    (first..(first + chunk).min(len), eps)
}

/// Writes the norm of each row of `x` to `out`; relative error below 5e-7.
///
/// Rows are as long as `weight`, and `x` and `out` hold the same whole number of them.
pub(crate) fn rms_norm(isa: Isa, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    vector::dispatch(
        isa,
        RmsNorm {
            x,
            weight,
            eps,
            out,
        },
    );
}

/// [`rms_norm`] without a weight, of rows of `width`.
pub(super) fn rms_norm_unweighted(isa: Isa, x: &[f32], width: usize, eps: f32, out: &mut [f32]) {
    vector::dispatch(isa, Unweighted { x, width, eps, out });
}

/// [`rms_norm`] in place.
pub(super) fn rms_norm_in_place(isa: Isa, x: &mut [f32], weight: &[f32], eps: f32) {
    vector::dispatch(isa, RmsNormInPlace { x, weight, eps });
}

/// Adds `x` to the residual `h`, then writes the norm of each row of `h` to `out`; lengths as in
/// [`rms_norm`].
pub(super) fn add_rms_norm(
    isa: Isa,
    h: &mut [f32],
    x: &[f32],
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) {
    vector::dispatch(
        isa,
        AddRmsNorm {
            h,
            x,
            weight,
            eps,
            out,
        },
    );
}

struct RmsNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.weight.len().max(1);
        for (x, out) in self
            .x
            .chunks_exact(width)
            .zip(self.out.chunks_exact_mut(width))
        {
            let factor = s.splat(factor(x, self.eps));
            out.copy_from_slice(x);
            vector::zip_in_place!(s, out, self.weight, |x, w| s.mul(s.mul(x, factor), w));
        }
    }
}

struct Unweighted<'a> {
    x: &'a [f32],
    width: usize,
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for Unweighted<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.width.max(1);
        let rows = self.x.chunks_exact(width);
        for (x, out) in rows.zip(self.out.chunks_exact_mut(width)) {
            let factor = s.splat(factor(x, self.eps));
            out.copy_from_slice(x);
            vector::map_in_place!(s, out, |x| s.mul(x, factor));
        }
    }
}

pub(crate) struct RmsNormInPlace<'a> {
    pub(crate) x: &'a mut [f32],
    pub(crate) weight: &'a [f32],
    pub(crate) eps: f32,
}

impl Kernel for RmsNormInPlace<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for x in self.x.chunks_exact_mut(self.weight.len().max(1)) {
            let factor = s.splat(factor(x, self.eps));
            vector::zip_in_place!(s, x, self.weight, |x, w| s.mul(s.mul(x, factor), w));
        }
    }
}

struct AddRmsNorm<'a> {
    h: &'a mut [f32],
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for AddRmsNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        vector::zip_in_place!(s, self.h, self.x, |h, x| s.add(h, x));
        RmsNorm {
            x: self.h,
            weight: self.weight,
            eps: self.eps,
            out: self.out,
        }
        .run(s);
    }
}

/// `1 / sqrt(mean(x^2) + eps)`.
#[inline(always)]
fn factor(x: &[f32], eps: f32) -> f32 {
    // Two halves of a vector's lanes, so that additions of f64 do not wait for each other.
    let mut sums = [0.0_f64; LANES];
    let (blocks, tail) = x.as_chunks::<LANES>();
    for block in blocks {
        for (sum, &x) in sums.iter_mut().zip(block) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    for (sum, &x) in sums.iter_mut().zip(tail) {
        *sum += f64::from(x) * f64::from(x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
        width /= 2;
    }
    (1.0 / (sums[0] / x.len() as f64 + f64::from(eps)).sqrt()) as f32
}
