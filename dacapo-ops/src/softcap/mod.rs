//! Soft limit of logits, `cap * tanh(x / cap)` (Gemma 2, section 2.2).

mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, Bytes, CommandEncoder, Device, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::elementwise;
use crate::error::Result;
use crate::tensor::Tensor;

/// `x[i] = cap * tanh(x[i] / cap)`, relative error below 1e-6.
#[derive(Clone, Debug)]
pub struct Softcap {
    kernel: Kernel,
}

/// Of each element: a quotient, a hyperbolic tangent and a product.
pub(crate) const OPERATIONS: u64 = 3;

impl Softcap {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Softcap> {
        let source = KernelSource::new("softcap")
            .binding::<f32>(0, Access::ReadWrite)
            .inline::<f32>()
            .work(|call| elementwise::work_in_place(call, OPERATIONS))
            .cpu(cpu::entry)
            .wgsl(elementwise::wgsl(include_str!("softcap.wgsl")));
        Ok(Softcap {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes `x[i] = cap * tanh(x[i] / cap)`, relative error below 1e-6. `x` is contiguous F32 of any shape.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand), [`Error::Parameter`](crate::Error::Parameter) unless `cap` is positive and
    /// finite, and those of [`CommandEncoder::dispatch`].
    pub fn encode(&self, encoder: &mut CommandEncoder, x: &Tensor, cap: f32) -> Result<()> {
        let check = Check("softcap");
        check.any_shape("x", x, &[DType::F32])?;
        check.parameter(
            "cap",
            cap,
            f32::MIN_POSITIVE..=f32::MAX,
            "above 0 and finite",
        )?;
        let grid = elementwise::grid(check, &self.kernel, x.elements())?;
        Ok(encoder.dispatch(&self.kernel, (x.view(), Bytes(&cap)), grid)?)
    }
}
