//! The greatest logits and their indices, in order.

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

/// The k greatest elements of each row, greatest first.
#[derive(Clone, Debug)]
pub struct TopK {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Cpu(Kernel),
    Gpu(ByWidth),
}

/// Each element is compared once; putting the few that are kept in order is not counted.
fn work(call: &Dispatched<'_>) -> Work {
    let logits = call.bytes(0);
    let found = written(call.bytes(1)) + written(call.bytes(2));
    read(logits) + found + operations([elements(logits)])
}

impl TopK {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<TopK> {
        let source = KernelSource::new("top_k")
            .binding::<f32>(0, Access::Read)
            .binding::<f32>(1, Access::Write)
            .overwrites(1)
            .inline::<[u32; 2]>()
            .work(work);
        let form = if device.gpu().is_some() {
            // A GPU sorts many ids where they belong.
            let source = source.binding::<u32>(2, Access::ReadWrite);
            let text = concat!(
                include_str!("top_k.wgsl"),
                include_str!("../rows/select.wgsl"),
                include_str!("../rows/u64.wgsl"),
            );
            Form::Gpu(ByWidth::new(device, source, text))
        } else {
            let source = source.binding::<u32>(2, Access::Write).overwrites(2);
            Form::Cpu(device.kernel(&source.cpu(cpu::entry))?)
        };
        Ok(TopK { form })
    }

    /// Encodes the search of each row of `logits`, F32 `[n, vocabulary]`, for its k greatest elements: into
    /// `values`, F32 `[n, k]`, and their indices into `ids`, U32 `[n, k]`, lower ones first among equals.
    ///
    /// NaN is passed over. Where a row has fewer than k other elements the rest is negative infinity with an
    /// id of `u32::MAX`. Time grows with `vocabulary + k log k` as a rule, `vocabulary log k` at worst.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        logits: &Tensor,
        values: &Tensor,
        ids: &Tensor,
    ) -> Result<()> {
        let check = Check("top_k");
        let [rows, width] = check.dims("logits", logits, &[DType::F32])?;
        let [_, k] = check.dims("values", values, &[DType::F32])?;
        check.tensor("values", values, &[DType::F32], &[rows, k])?;
        check.tensor("ids", ids, &[DType::U32], &[rows, k])?;
        let params = [check.size("the vocabulary", width)?, check.size("k", k)?];
        let rows = check.size("the number of rows", rows)?;
        let args = (logits.view(), values.view(), ids.view(), Bytes(&params));
        match &self.form {
            Form::Cpu(kernel) => encoder.dispatch(kernel, args, Grid::groups([rows, 1, 1]))?,
            Form::Gpu(kernels) => {
                let grid = rows::grid(&encoder.device(), rows);
                encoder.dispatch(kernels.get(logits, params[0])?, args, grid)?;
            }
        }
        Ok(())
    }
}
