//! The gated unit of Gemma-like feed-forward layers: `gelu(gate) * up` (Hendrycks and Gimpel 2016; GeGLU
//! in Shazeer 2020).

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, CommandEncoder, CpuEntry, Device, Kernel, KernelSource, WorkFn};

use crate::check::Check;
use crate::dtype::DType;
use crate::elementwise;
use crate::error::Result;
use crate::tensor::Tensor;

/// Which function is called GELU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`: ggml's, and `gelu_pytorch_tanh` of Hugging Face.
    Tanh,
    /// `x/2 (1 + erf(x / sqrt 2))`: the definition, and `gelu` of Hugging Face.
    Erf,
}

impl Form {
    /// Of each element, the product with `up` included.
    pub(crate) fn operations(self) -> u64 {
        match self {
            // Seven products, two sums and a hyperbolic tangent.
            Form::Tanh => 10,
            // Four products, a sum and an error function.
            Form::Erf => 6,
        }
    }
}

/// `out[i] = gelu(gate[i]) * up[i]`.
#[derive(Clone, Debug)]
pub struct GeluMul {
    tanh: Kernel,
    erf: Kernel,
}

impl GeluMul {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<GeluMul> {
        let kernel = |name, entry: CpuEntry, erf: bool, work: WorkFn| {
            let wgsl = elementwise::wgsl(include_str!("gelu_mul.wgsl"));
            let source = KernelSource::new(name)
                .op("gelu_mul")
                .binding::<f32>(0, Access::Read)
                .binding::<f32>(1, Access::Read)
                .binding::<f32>(2, Access::Write)
                .overwrites(2)
                .work(work)
                .cpu(entry)
                .wgsl(wgsl.constant("ERF", u8::from(erf)));
            device.kernel(&source)
        };
        Ok(GeluMul {
            tanh: kernel("gelu_tanh_mul", cpu::entry_tanh, false, |call| {
                elementwise::work_of_pairs(call, Form::Tanh.operations())
            })?,
            erf: kernel("gelu_erf_mul", cpu::entry_erf, true, |call| {
                elementwise::work_of_pairs(call, Form::Erf.operations())
            })?,
        })
    }

    /// Encodes `out[i] = gelu(gate[i]) * up[i]`. All are contiguous F32 of one shape; `out` overlaps none.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        form: Form,
        gate: &Tensor,
        up: &Tensor,
        out: &Tensor,
    ) -> Result<()> {
        let check = Check("gelu_mul");
        check.any_shape("gate", gate, &[DType::F32])?;
        check.tensor("up", up, &[DType::F32], gate.shape())?;
        check.tensor("out", out, &[DType::F32], gate.shape())?;
        let kernel = match form {
            Form::Tanh => &self.tanh,
            Form::Erf => &self.erf,
        };
        let grid = elementwise::grid(check, kernel, gate.elements())?;
        Ok(encoder.dispatch(kernel, (gate.view(), up.view(), out.view()), grid)?)
    }
}
