//! Elementwise product.

mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, CommandEncoder, Device, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::elementwise;
use crate::error::Result;
use crate::tensor::Tensor;

/// `x[i] *= y[i]`.
#[derive(Clone, Debug)]
pub struct Mul {
    kernel: Kernel,
}

impl Mul {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Mul> {
        let source = KernelSource::new("mul")
            .binding::<f32>(0, Access::ReadWrite)
            .binding::<f32>(1, Access::Read)
            .cpu(cpu::entry)
            .wgsl(elementwise::wgsl(include_str!("mul.wgsl")));
        Ok(Mul {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes `x[i] *= y[i]`. Both are contiguous F32 of one shape and do not overlap.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(&self, encoder: &mut CommandEncoder, x: &Tensor, y: &Tensor) -> Result<()> {
        let check = Check("mul");
        check.any_shape("x", x, &[DType::F32])?;
        check.tensor("y", y, &[DType::F32], x.shape())?;
        let grid = elementwise::grid(check, &self.kernel, x.elements())?;
        Ok(encoder.dispatch(&self.kernel, (x.view(), y.view()), grid)?)
    }
}
