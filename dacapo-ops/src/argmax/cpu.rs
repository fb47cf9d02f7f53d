//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let (row, width) = (group.id()[0] as usize, group.inline::<u32>() as usize);
    let logits = &group.read::<f32>(0)[row * width..][..width];
    let id = argmax(Isa::detect(), logits).ok_or_else(|| nothing_but_nan(row, width))?;
    // SAFETY: workgroup `n` alone writes element `n`.
    let out = unsafe { group.write::<u32>(1, row..row + 1) };
    out[0] = id;
    Ok(())
}

#[cold]
pub(crate) fn nothing_but_nan(row: usize, width: usize) -> KernelFault {
    KernelFault::new(format!("all {width} logits of row {row} are NaN"))
}

/// Index of the greatest element, the lowest one among equals; NaN is passed over, and a row of nothing
/// but NaN (or an empty one) has none.
pub(crate) fn argmax(isa: Isa, row: &[f32]) -> Option<u32> {
    vector::dispatch(isa, Argmax(row))
}

struct Argmax<'a>(&'a [f32]);

impl Kernel for Argmax<'_> {
    type Output = Option<u32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Option<u32> {
        // Finding the value first and its place after is two short loops that vectorise.
        let max = vector::max_of(s, self.0);
        let block = self
            .0
            .chunks(LANES * 16)
            .position(|block| block.iter().fold(false, |found, &x| found | (x == max)))?;
        let start = block * LANES * 16;
        let within = self.0[start..].iter().position(|&x| x == max)?;
        u32::try_from(start + within).ok()
    }
}
