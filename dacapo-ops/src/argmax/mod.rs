//! The index of the greatest logit.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, Bytes, CommandEncoder, Device, Grid, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

/// `ids[r]` = index of the greatest element of row r.
#[derive(Clone, Debug)]
pub struct Argmax {
    kernel: Kernel,
}

impl Argmax {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Argmax> {
        let source = KernelSource::new("argmax")
            .binding::<f32>(0, Access::Read)
            .binding::<u32>(1, Access::Write)
            .inline::<u32>()
            .cpu(cpu::entry);
        Ok(Argmax {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes the search of each row of `logits`, F32 `[vocabulary]` or `[n, vocabulary]`, into `ids`, U32 `[n]`.
    ///
    /// Among equals the lowest index wins. NaN is passed over; a row of nothing but NaN fails the submission.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        logits: &Tensor,
        ids: &Tensor,
    ) -> Result<()> {
        let check = Check("argmax");
        check.any_shape("logits", logits, &[DType::F32])?;
        check.tensor("ids", ids, &[DType::U32], &[logits.rows()])?;
        let width = check.size("the vocabulary", logits.cols())?;
        let rows = check.size("the number of rows", logits.rows())?;
        let args = (logits.view(), ids.view(), Bytes(&width));
        Ok(encoder.dispatch(&self.kernel, args, Grid::groups([rows, 1, 1]))?)
    }
}
