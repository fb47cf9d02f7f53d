//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use super::Form;
use crate::elementwise;
use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry_tanh(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    run(group, Form::Tanh);
    Ok(())
}

pub(super) fn entry_erf(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    run(group, Form::Erf);
    Ok(())
}

fn run(group: &Workgroup<'_>, form: Form) {
    let chunk = elementwise::chunk(group, 2);
    let gate = &group.read::<f32>(0)[chunk.clone()];
    let up = &group.read::<f32>(1)[chunk.clone()];
    // SAFETY: chunks of different workgroups do not overlap.
    let out = unsafe { group.write::<f32>(2, chunk) };
    gelu_mul(Isa::detect(), form, gate, up, out);
}

/// `out[i] = gelu(gate[i]) * up[i]`, relative error of the gelu below 2e-5 above 1e-30.
///
/// All hold the same number of elements.
pub(crate) fn gelu_mul(isa: Isa, form: Form, gate: &[f32], up: &[f32], out: &mut [f32]) {
    vector::dispatch(
        isa,
        GeluMul {
            form,
            gate,
            up,
            out,
        },
    );
}

struct GeluMul<'a> {
    form: Form,
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for GeluMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (gate, up, out) = (self.gate, self.up, self.out);
        // Finite, so that a very negative gate gives 0 instead of infinity times 0.
        let least = s.splat(-1e30);
        match self.form {
            Form::Tanh => vector::zip_to!(s, gate, up, out, |gate, up| {
                s.mul(vector::gelu_tanh(s, s.max(least, gate)), up)
            }),
            Form::Erf => vector::zip_to!(s, gate, up, out, |gate, up| {
                s.mul(vector::gelu_erf(s, s.max(least, gate)), up)
            }),
        }
    }
}
