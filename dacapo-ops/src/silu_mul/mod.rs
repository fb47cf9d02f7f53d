//! The gated unit of llama-like feed-forward layers: `silu(gate) * up` (Shazeer 2020, "GLU Variants
//! Improve Transformer", SwiGLU).

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, CommandEncoder, Device, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::elementwise;
use crate::error::Result;
use crate::tensor::Tensor;

/// `out[i] = silu(gate[i]) * up[i]`.
#[derive(Clone, Debug)]
pub struct SiluMul {
    kernel: Kernel,
}

/// Of each element: an exponential, a sum, a quotient and a product.
pub(crate) const OPERATIONS: u64 = 4;

impl SiluMul {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<SiluMul> {
        let source = KernelSource::new("silu_mul")
            .binding::<f32>(0, Access::Read)
            .binding::<f32>(1, Access::Read)
            .binding::<f32>(2, Access::Write)
            .overwrites(2)
            .work(|call| elementwise::work_of_pairs(call, OPERATIONS))
            .cpu(cpu::entry)
            .wgsl(elementwise::wgsl(include_str!("silu_mul.wgsl")));
        Ok(SiluMul {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes `out[i] = silu(gate[i]) * up[i]`. All are contiguous F32 of one shape; `out` overlaps none.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,

        gate: &Tensor,
        up: &Tensor,
        out: &Tensor,
    ) -> Result<()> {
        let check = Check("silu_mul");
        check.any_shape("gate", gate, &[DType::F32])?;
        check.tensor("up", up, &[DType::F32], gate.shape())?;
        check.tensor("out", out, &[DType::F32], gate.shape())?;
        let grid = elementwise::grid(check, &self.kernel, gate.elements())?;
        let kernel = &self.kernel;
        Ok(encoder.dispatch(kernel, (gate.view(), up.view(), out.view()), grid)?)
    }
}
