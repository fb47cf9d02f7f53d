//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

/// Which function is called GELU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`: ggml's, and `gelu_pytorch_tanh` of Hugging Face.
    Tanh,
    /// `x/2 (1 + erf(x / sqrt 2))`: the definition, and `gelu` of Hugging Face.
    Erf,
}

/// `gate[i] = gelu(gate[i]) * up[i]`, relative error of the gelu below 2e-5 above 1e-30.
///
/// Both hold the same number of elements.
pub fn gelu_mul(isa: Isa, form: Form, gate: &mut [f32], up: &[f32]) {
    vector::dispatch(isa, GeluMul { form, gate, up });
}

struct GeluMul<'a> {
    form: Form,
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for GeluMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (gate, up) = (self.gate, self.up);
        // Finite, so that a very negative gate gives 0 instead of infinity times 0.
        let finite = |gate| s.max(s.splat(-1e30), gate);
        match self.form {
            Form::Tanh => vector::zip_in_place(s, gate, up, |gate, up| {
                s.mul(vector::gelu_tanh(s, finite(gate)), up)
            }),
            Form::Erf => vector::zip_in_place(s, gate, up, |gate, up| {
                s.mul(vector::gelu_erf(s, finite(gate)), up)
            }),
        }
    }
}
