//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let width = group.inline::<u32>() as usize;
    let first = group.id()[0] as usize * width;
    // SAFETY: workgroup `n` alone touches row `n`.
    let row = unsafe { group.write::<f32>(0, first..first + width) };
    softmax(Isa::detect(), row);
    Ok(())
}

/// Replaces `row` by e^x over the sum of e^x, relative error below 2e-6 above 1e-30.
///
/// Negative infinity becomes 0. Equal shares for several positive infinities; NaN anywhere, or nothing
/// but negative infinity, makes the whole row NaN.
pub(super) fn softmax(isa: Isa, row: &mut [f32]) {
    vector::dispatch(isa, Softmax(row));
}

struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let row = self.0;
        let max = vector::max_of(s, row);
        let sum = exp_less(s, row, max, 1.0);
        // A product with the reciprocal would lose the smallest ones: 1 / sum may round a subnormal up.
        let sum = s.splat(sum);
        vector::map_in_place!(s, row, |x| s.div(x, sum));
    }
}

/// Replaces each x by `e^((x - max) / temperature)` and returns the sum of the results, where `max` is
/// the greatest x; infinitely great ones count as equal to `max`.
///
/// Sums of sixteen strided lanes first, then of blocks of 4096 elements in f64: the relative error does
/// not grow with the length.
#[inline(always)]
pub(crate) fn exp_less<S: Simd>(s: S, xs: &mut [f32], max: f32, temperature: f32) -> f32 {
    if max == f32::INFINITY {
        return share_infinities(xs);
    }
    let (max, temperature) = (s.splat(max), s.splat(temperature));
    let mut total = 0.0_f64;
    for part in xs.chunks_mut(4096) {
        let mut sum = s.splat(0.0);
        let (blocks, tail) = part.as_chunks_mut::<LANES>();
        for block in blocks {
            let e = vector::exp(s, s.div(s.sub(s.load(block), max), temperature));
            s.store(e, block);
            sum = s.add(sum, e);
        }
        if !tail.is_empty() {
            let x = s.load_part(tail, f32::NEG_INFINITY);
            let e = vector::exp(s, s.div(s.sub(x, max), temperature));
            s.store_part(e, tail);
            sum = s.add(sum, e);
        }
        total += f64::from(s.sum(sum));
    }
    total as f32
}

/// The limit of [`exp_less`] as the infinite elements grow beyond the rest: 1 for each, 0 elsewhere.
fn share_infinities(xs: &mut [f32]) -> f32 {
    let mut count = 0.0_f32;
    for x in xs {
        *x = match *x {
            f32::INFINITY => 1.0,
            nan if nan.is_nan() => nan,
            _ => 0.0,
        };
        count += *x;
    }
    count
}
