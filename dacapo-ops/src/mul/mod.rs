//! Elementwise product.

mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, CommandEncoder, Device, Kernel, KernelSource};

use crate::check::Check;
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
            .work(|call| elementwise::work_in_place(call, 1))
            .cpu(cpu::entry)
            .wgsl(elementwise::wgsl(include_str!("mul.wgsl")));
        Ok(Mul {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes `x[i] *= y[i]`. Both are contiguous F32 and do not overlap; `y` has the shape of `x`, or is one row,
    /// `[width]`, for all rows of `x`.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(&self, encoder: &mut CommandEncoder, x: &Tensor, y: &Tensor) -> Result<()> {
        let check = Check("mul");
        elementwise::check_facing(check, x, y)?;
        let grid = elementwise::grid(check, &self.kernel, x.elements())?;
        Ok(encoder.dispatch(&self.kernel, (x.view(), y.view()), grid)?)
    }
}
