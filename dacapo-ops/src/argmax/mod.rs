//! The index of the greatest logit.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, Bytes, CommandEncoder, Device, Dispatched, Grid, Kernel, KernelSource, Work};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::rows::{self, ByWidth};
use crate::tensor::Tensor;
use crate::work::{elements, operations, read, written};

/// `ids[r]` = index of the greatest element of row r.
#[derive(Clone, Debug)]
pub struct Argmax {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Cpu(Kernel),
    Gpu(ByWidth),
}

fn work(call: &Dispatched<'_>) -> Work {
    let logits = call.bytes(0);
    read(logits) + written(call.bytes(1)) + operations([elements(logits)])
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
            .overwrites(1)
            .inline::<u32>()
            .work(work);
        let form = if device.gpu().is_some() {
            Form::Gpu(ByWidth::new(device, source, include_str!("argmax.wgsl")).compiled()?)
        } else {
            Form::Cpu(device.kernel(&source.cpu(cpu::entry))?)
        };
        Ok(Argmax { form })
    }

    /// Encodes the search of each row of `logits`, F32 `[vocabulary]` or `[n, vocabulary]`, into `ids`, U32 `[n]`.
    ///
    /// Among equals the lowest index wins. NaN is passed over; a row of nothing but NaN fails the submission
    /// on the CPU, and gives `u32::MAX` on a GPU.
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
        match &self.form {
            Form::Cpu(kernel) => encoder.dispatch(kernel, args, Grid::groups([rows, 1, 1]))?,
            Form::Gpu(kernels) => {
                let grid = rows::grid(&encoder.device(), rows);
                encoder.dispatch(kernels.get(logits, width)?, args, grid)?;
            }
        }
        Ok(())
    }
}
