//! Rows of a weight table chosen by token ids: the first step of a model.

mod cpu;
mod gather;
mod gpu;
#[cfg(test)]
mod tests;

pub use gather::gather;

use std::sync::Arc;

use dacapo::{Access, Bytes, CommandEncoder, Device, Grid, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::simd::Isa;
use crate::tensor::Tensor;

/// `out[t] = table[ids[t]]` as f32.
#[derive(Clone, Debug)]
pub struct Embed {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Cpu(Kernel, Isa),
    Gpu(Arc<gpu::Gather>),
}

impl Embed {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Embed> {
        if device.gpu().is_some() {
            let form = Form::Gpu(Arc::new(gpu::Gather::new(device)));
            return Ok(Embed { form });
        }
        let source = KernelSource::new("embed")
            .binding::<u8>(0, Access::Read)
            .binding::<u32>(1, Access::Read)
            .binding::<f32>(2, Access::Write)
            .overwrites(2)
            .inline::<cpu::Params>()
            .work(cpu::work)
            .cpu(cpu::entry);
        let form = Form::Cpu(device.kernel(&source)?, Isa::detect());
        Ok(Embed { form })
    }

    /// Encodes `out[t, ..] = table[ids[t], ..]`.
    ///
    /// `table` is `[vocabulary, width]` of any type of [`DType::WEIGHTS`], `ids` `[tokens]` U32, `out`
    /// `[tokens, width]` F32, all contiguous. An id outside the vocabulary fails the submission on the CPU; on a GPU,
    /// which cannot, its row is zeros.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) for a tensor that does not fit, and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        table: &Tensor,
        ids: &Tensor,
        out: &Tensor,
    ) -> Result<()> {
        let check = Check("embed");
        let [rows, cols] = check.dims("table", table, &DType::WEIGHTS)?;
        let [tokens] = check.dims("ids", ids, &[DType::U32])?;
        check.tensor("out", out, &[DType::F32], &[tokens, cols])?;
        let (kernel, isa) = match &self.form {
            Form::Cpu(kernel, isa) => (kernel, isa),
            Form::Gpu(gather) => return gather.encode(check, encoder, table, ids, out),
        };
        let params = cpu::Params {
            rows: check.size("rows of table", rows)?,
            cols: check.size("columns of table", cols)?,
            dtype: table.dtype() as u32,
            level: isa.level() as u32,
        };
        let grid = Grid::groups([check.size("ids", tokens)?, 1, 1]);
        let args = (table.view(), ids.view(), out.view(), Bytes(&params));
        Ok(encoder.dispatch(kernel, args, grid)?)
    }
}
