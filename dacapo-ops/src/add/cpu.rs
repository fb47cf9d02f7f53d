//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use crate::elementwise;
use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let chunk = elementwise::chunk(group, 0);
    // SAFETY: chunks of different workgroups do not overlap.
    let x = unsafe { group.write::<f32>(0, chunk.clone()) };
    for (x, y) in elementwise::facing(chunk.start, x, group.read(1)) {
        add(Isa::detect(), x, y);
    }
    Ok(())
}

/// `x[i] += y[i]`; both hold the same number of elements.
pub(crate) fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    vector::dispatch(isa, Add(x, y));
}

struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        vector::zip_in_place!(s, self.0, self.1, |x, y| s.add(x, y));
    }
}
