//! Product with a constant, as Gemma applies to embeddings.

mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, Bytes, CommandEncoder, Device, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::elementwise;
use crate::error::Result;
use crate::tensor::Tensor;

/// `x[i] *= factor`.
#[derive(Clone, Debug)]
pub struct Scale {
    kernel: Kernel,
}

impl Scale {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Scale> {
        let source = KernelSource::new("scale")
            .binding::<f32>(0, Access::ReadWrite)
            .inline::<f32>()
            .work(|call| elementwise::work_in_place(call, 1))
            .cpu(cpu::entry)
            .wgsl(elementwise::wgsl(include_str!("scale.wgsl")));
        Ok(Scale {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes `x[i] *= factor`. `x` is contiguous F32 of any shape.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand), and those of [`CommandEncoder::dispatch`].
    pub fn encode(&self, encoder: &mut CommandEncoder, x: &Tensor, factor: f32) -> Result<()> {
        let check = Check("scale");
        check.any_shape("x", x, &[DType::F32])?;
        let grid = elementwise::grid(check, &self.kernel, x.elements())?;
        Ok(encoder.dispatch(&self.kernel, (x.view(), Bytes(&factor)), grid)?)
    }
}
