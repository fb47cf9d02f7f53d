//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

/// `gate[i] = gate[i] / (1 + e^-gate[i]) * up[i]`, relative error below 1e-6 (below 1e-30: absolute
/// error 1e-36 times `up`).
///
/// Both hold the same number of elements.
pub fn silu_mul(isa: Isa, gate: &mut [f32], up: &[f32]) {
    vector::dispatch(isa, SiluMul { gate, up });
}

struct SiluMul<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for SiluMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        vector::zip_in_place(s, self.gate, self.up, |gate, up| {
            // Finite, so that a very negative gate gives 0 instead of infinity times 0.
            let gate = s.max(s.splat(-1e30), gate);
            s.mul(s.mul(gate, vector::sigmoid(s, gate)), up)
        });
    }
}
