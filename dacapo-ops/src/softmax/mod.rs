//! Probabilities from logits, row by row.
#![allow(unsafe_code, reason = "kernels without checks")]

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{
    Access, Bytes, CommandEncoder, Device, Dispatched, Grid, Kernel, KernelSource, Wgsl, Work,
};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::rows;
use crate::tensor::Tensor;
use crate::work::{changed, elements, operations};

/// `x = e^x / sum(e^x)`, row by row.
#[derive(Clone, Debug)]
pub struct Softmax {
    kernel: Kernel,
}

/// Of each element's share before it is divided by the sum: a comparison, a difference, an exponential and a sum.
pub(crate) const SHARE: u64 = 4;

fn work(call: &Dispatched<'_>) -> Work {
    let x = call.bytes(0);
    changed(x) + operations([SHARE + 1, elements(x)])
}

impl Softmax {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Softmax> {
        let source = KernelSource::new("softmax")
            .binding::<f32>(0, Access::ReadWrite)
            .inline::<u32>()
            .work(work)
            .cpu(cpu::entry);
        let text = concat!(
            include_str!("softmax.wgsl"),
            include_str!("../rows/keys.wgsl"),
            include_str!("../rows/ordered.wgsl"),
            include_str!("../rows/exp.wgsl"),
        );
        let wgsl = Wgsl::new(text).constant("WORKGROUP", rows::workgroup(device, 1024));
        // SAFETY: rows are counted from the length of x, and workgroup memory is written before it is read.
        let source = source.wgsl(unsafe { wgsl.trusted() });
        Ok(Softmax {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes the softmax of each row of `x`, contiguous F32 `[.., width]`, in place.
    ///
    /// Negative infinity becomes 0; several positive infinities share; NaN anywhere, or nothing but
    /// negative infinity, makes the whole row NaN.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(&self, encoder: &mut CommandEncoder, x: &Tensor) -> Result<()> {
        let check = Check("softmax");
        check.any_shape("x", x, &[DType::F32])?;
        let width = check.size("the width", x.cols())?;
        let rows = check.size("the number of rows", x.rows())?;
        let device = encoder.device();
        let grid = match device.gpu() {
            Some(_) => rows::grid(&device, rows),
            None => Grid::groups([rows, 1, 1]),
        };
        Ok(encoder.dispatch(&self.kernel, (x.view(), Bytes(&width)), grid)?)
    }
}
