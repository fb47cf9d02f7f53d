//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use crate::elementwise;
use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let chunk = elementwise::chunk(group, 2);
    let gate = &group.read::<f32>(0)[chunk.clone()];
    let up = &group.read::<f32>(1)[chunk.clone()];
    // SAFETY: chunks of different workgroups do not overlap.
    let out = unsafe { group.write::<f32>(2, chunk) };
    silu_mul(Isa::detect(), gate, up, out);
    Ok(())
}

/// `out[i] = gate[i] / (1 + e^-gate[i]) * up[i]`, relative error below 1e-6 (below 1e-30: absolute
/// error 1e-36 times `up`).
///
/// All hold the same number of elements.
pub(crate) fn silu_mul(isa: Isa, gate: &[f32], up: &[f32], out: &mut [f32]) {
    vector::dispatch(isa, SiluMul { gate, up, out });
}

struct SiluMul<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for SiluMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        vector::zip_to!(s, self.gate, self.up, self.out, |gate, up| {
            // Finite, so that a very negative gate gives 0 instead of infinity times 0.
            let gate = s.max(s.splat(-1e30), gate);
            s.mul(s.mul(gate, vector::sigmoid(s, gate)), up)
        });
    }
}
