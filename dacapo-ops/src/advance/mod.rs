//! The step from one token to the next, on the device: no host value is needed between decode steps.

mod cpu;
mod gpu;
#[cfg(test)]
mod tests;

use dacapo::{Access, CommandEncoder, Device, Dispatched, Grid, Kernel, KernelSource, Work};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::work::{changed, elements, operations, read, written};

/// `tokens = ids`, `positions += 1`.
#[derive(Clone, Debug)]
pub struct Advance {
    kernel: Kernel,
}

fn work(call: &Dispatched<'_>) -> Work {
    let positions = call.bytes(2);
    let ids = read(call.bytes(0)) + written(call.bytes(1));
    ids + changed(positions) + operations([elements(positions)])
}

impl Advance {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Advance> {
        let source = KernelSource::new("advance")
            .binding::<u32>(0, Access::Read)
            .binding::<u32>(1, Access::Write)
            .overwrites(1)
            .binding::<u32>(2, Access::ReadWrite)
            .work(work)
            .cpu(cpu::entry)
            .wgsl(gpu::wgsl());
        Ok(Advance {
            kernel: device.kernel(&source)?,
        })
    }

    /// Encodes that the sampled `ids` become the next input `tokens`, and that each of `positions` moves on by
    /// one (the greatest u32 stays). All are contiguous U32 `[n]`, and no two overlap.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        ids: &Tensor,
        tokens: &Tensor,
        positions: &Tensor,
    ) -> Result<()> {
        let check = Check("advance");
        let [_] = check.dims("ids", ids, &[DType::U32])?;
        check.tensor("tokens", tokens, &[DType::U32], ids.shape())?;
        check.tensor("positions", positions, &[DType::U32], ids.shape())?;
        let args = (ids.view(), tokens.view(), positions.view());
        Ok(encoder.dispatch(&self.kernel, args, Grid::groups([1, 1, 1]))?)
    }
}
