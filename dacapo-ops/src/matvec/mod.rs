//! One vector times a weight matrix: `y = W x`, the work of a decode step.
//!
//! Two ways: [`exact`] multiplies f32 activations with weights as f32; [`quantized`] multiplies activations as integers
//! of 15 bits with the integers of quantised weights, several times as fast, with an error of up to 1/32512 of the
//! largest activation in each 32. Both sum in an order that depends on the width and the level alone.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod cpu;
mod exact;
mod half_floats;
mod integer;
mod product;
#[cfg(test)]
mod tests;

pub use product::{exact, quantized};

use dacapo::{Access, Bytes, CommandEncoder, Device, Grid, Kernel, KernelSource, SharedMemory};

use crate::error::Result;
use crate::linear::{Epilogue, Operands, on_the_processor};
use crate::quant::Q15Group;
use crate::simd::Isa;

/// The product of few vectors with a weight matrix, each on its own; [`crate::linear::Linear`] chooses when.
#[derive(Clone, Debug)]
pub(crate) struct MatVec {
    plain: Kernel,
    bias: Kernel,
    isa: Isa,
}

/// Widest input whose integers fit into the shared memory that is asked for.
const MAX_QUANTIZED_COLS: usize = 48 * 1024;

impl MatVec {
    pub(crate) fn new(device: &Device, isa: Isa) -> Result<MatVec> {
        let max = (Q15Group::count(MAX_QUANTIZED_COLS) * size_of::<Q15Group>()) as u32;
        let source = |name| {
            KernelSource::new(name)
                .op("matvec")
                .binding::<u8>(0, Access::Read)
                .binding::<f32>(1, Access::Read)
                .inline::<cpu::Params>()
                .shared_memory(SharedMemory::Dynamic { max })
        };
        let plain = source("matvec")
            .binding::<f32>(2, Access::Write)
            .overwrites(2)
            .cpu(cpu::entry::<false>);
        let bias = source("matvec_bias")
            .binding::<f32>(2, Access::Read)
            .binding::<f32>(3, Access::Write)
            .overwrites(3)
            .cpu(cpu::entry::<true>);
        Ok(MatVec {
            plain: device.kernel(&plain)?,
            bias: device.kernel(&bias)?,
            isa,
        })
    }

    /// `operands` have been checked.
    pub(crate) fn encode(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
    ) -> Result<()> {
        let &Operands {
            w,
            x,
            out,
            rows,
            cols,
            tokens,
            ..
        } = operands;
        let quantized = w.dtype().is_quantized() && w.cols() <= MAX_QUANTIZED_COLS;
        let per_group = rows_per_group(rows, cols);
        let params = cpu::Params {
            rows,
            cols,
            dtype: w.dtype() as u32,
            per_group,
            level: self.isa.level() as u32,
            quantized: u32::from(quantized),
        };
        let groups = if quantized {
            Q15Group::count(w.cols())
        } else {
            0
        };
        let grid = Grid::groups([rows.div_ceil(per_group), tokens, 1])
            .with_shared_memory((groups * size_of::<Q15Group>()) as u32);
        let (w, x, out, params) = (w.view(), x.view(), out.view(), Bytes(&params));
        match operands.epilogue {
            Epilogue::None => encoder.dispatch(&self.plain, (w, x, out, params), grid)?,
            Epilogue::Bias(bias) => {
                encoder.dispatch(&self.bias, (w, x, bias.view(), out, params), grid)?;
            }
            Epilogue::Accumulate => return on_the_processor(),
        }
        Ok(())
    }
}

/// Rows that one workgroup computes: enough work that quantising the vector once more is a small part of it, and a
/// number of groups (a multiple of four, or two of a small matrix) that two threads share evenly.
fn rows_per_group(rows: u32, cols: u32) -> u32 {
    const WEIGHTS: u64 = 96 * 1024;
    let groups = (u64::from(rows) * u64::from(cols) + 2 * WEIGHTS) / (4 * WEIGHTS) * 4;
    rows.div_ceil(groups.clamp(2, 128) as u32)
        .next_multiple_of(4)
}
