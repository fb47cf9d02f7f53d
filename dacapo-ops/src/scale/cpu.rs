//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use crate::elementwise;
use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    // SAFETY: chunks of different workgroups do not overlap.
    let x = unsafe { group.write::<f32>(0, elementwise::chunk(group, 0)) };
    scale(Isa::detect(), x, group.inline());
    Ok(())
}

/// `x[i] *= factor`.
pub(super) fn scale(isa: Isa, x: &mut [f32], factor: f32) {
    vector::dispatch(isa, Scale(x, factor));
}

struct Scale<'a>(&'a mut [f32], f32);

impl Kernel for Scale<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.1);
        vector::map_in_place!(s, self.0, |x| s.mul(x, factor));
    }
}
