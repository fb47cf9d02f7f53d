//! Many vectors times a weight matrix: `Y = X W^T`, the work of a prompt.
//!
//! The output is cut into tiles of 32 rows of `W` by 64 rows of `X`, one for each workgroup.
//! Within a tile, 256 columns at a time, weights are unpacked once into a panel that stays in the first-level cache and
//! are multiplied with every token. [`exact`] multiplies in f32, [`quantized`] takes activations as integers; with AVX2
//! and AVX-512 it multiplies integers, elsewhere the same numbers in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cpu;
mod float;
mod product;
#[cfg(test)]
mod tests;
mod transpose;
#[cfg(target_arch = "x86_64")]
mod unpack;

pub use product::{exact, quantized};

use dacapo::{
    Access, BufferView, Bytes, CommandEncoder, CpuEntry, Device, Grid, Kernel, KernelSource,
    SharedMemory,
};

use crate::error::Result;
use crate::linear::slots::{INPUT, Put, SLOTS};
use crate::linear::{Epilogue, Operands};
use crate::quant::Q15Group;
use crate::simd::{Isa, Level};

/// Rows of the weight matrix in a tile.
pub const TILE_ROWS: usize = 32;

/// Tokens in a tile: enough that unpacking the weights is a small part of the work.
pub const TILE_TOKENS: usize = 128;

/// Columns that are unpacked at a time.
const CHUNK: usize = 256;

/// Rows of activations that a workgroup quantises.
const QUANTIZE_ROWS: u32 = 8;

/// The product of many vectors with a weight matrix; [`crate::linear::Linear`] chooses when.
#[derive(Clone, Debug)]
pub(crate) struct MatMul {
    quantize: Kernel,
    /// Over f32 activations, by [`Put`].
    float: [Kernel; 3],
    /// Over quantised activations.
    integer: [Kernel; 3],
    isa: Isa,
}

impl MatMul {
    pub(crate) fn new(device: &Device, isa: Isa) -> Result<MatMul> {
        let quantize = KernelSource::new("quantize")
            .binding::<f32>(0, Access::Read)
            .binding::<Q15Group>(1, Access::Write)
            .overwrites(1)
            .inline::<cpu::Params>()
            .work(cpu::work_of_quantizing)
            .cpu(cpu::quantize);
        let tile = (TILE_ROWS * TILE_TOKENS * size_of::<f32>()) as u32;
        let source = |name, put, entry: CpuEntry| {
            let source = KernelSource::new(name)
                .op(match put {
                    Put::Plain | Put::Bias => "matmul",
                    Put::Add => "matmul_add",
                })
                .binding::<u8>(SLOTS[0].first, Access::Read)
                .binding::<f32>(INPUT, Access::Read)
                .inline::<cpu::Params>()
                .shared_memory(SharedMemory::Fixed(tile))
                .work(cpu::work)
                .cpu(entry);
            SLOTS[0].bind(source, put)
        };
        let forms = |names: [&'static str; 3], entry: CpuEntry| -> Result<[Kernel; 3]> {
            let [plain, bias, add] = names;
            Ok([
                device.kernel(&source(plain, Put::Plain, entry))?,
                device.kernel(&source(bias, Put::Bias, entry))?,
                device.kernel(&source(add, Put::Add, entry))?,
            ])
        };
        Ok(MatMul {
            quantize: device.kernel(&quantize)?,
            float: forms(["matmul", "matmul_bias", "matmul_add"], cpu::float)?,
            integer: forms(
                [
                    "matmul_integer",
                    "matmul_integer_bias",
                    "matmul_integer_add",
                ],
                cpu::integer,
            )?,
            isa,
        })
    }

    /// Encodes the quantisation of the operands' activations into `quantized`, which is as long as they take.
    pub(crate) fn quantize(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        quantized: &BufferView,
    ) -> Result<()> {
        let grid = Grid::groups([operands.tokens.div_ceil(QUANTIZE_ROWS), 1, 1]);
        let params = self.params(operands, true);
        let args = (operands.x.view(), quantized, Bytes(&params));
        Ok(encoder.dispatch(&self.quantize, args, grid)?)
    }

    /// Encodes the product with quantised activations; `operands` have been checked.
    pub(crate) fn encode_integer(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        quantized: &BufferView,
    ) -> Result<()> {
        self.encode(encoder, &self.integer, operands, quantized, true)
    }

    /// Encodes the product with activations as they are; `operands` have been checked.
    pub(crate) fn encode_float(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
    ) -> Result<()> {
        self.encode(encoder, &self.float, operands, operands.x.view(), false)
    }

    fn encode(
        &self,
        encoder: &mut CommandEncoder,
        kernels: &[Kernel; 3],
        operands: &Operands<'_>,
        input: &BufferView,
        quantized: bool,
    ) -> Result<()> {
        let params = self.params(operands, quantized);
        let params = Bytes(&params);
        let grid = Grid::groups([
            operands.rows.div_ceil(TILE_ROWS as u32),
            operands.tokens.div_ceil(TILE_TOKENS as u32),
            1,
        ]);
        let kernel = &kernels[Put::of(operands.epilogue) as usize];
        let (w, out) = (operands.w.view(), operands.out.view());
        match operands.epilogue {
            Epilogue::None | Epilogue::Accumulate => {
                encoder.dispatch(kernel, (w, input, out, params), grid)?;
            }
            Epilogue::Bias(bias) => {
                encoder.dispatch(kernel, (w, input, out, bias.view(), params), grid)?;
            }
        }
        Ok(())
    }

    fn params(&self, operands: &Operands<'_>, quantized: bool) -> cpu::Params {
        cpu::Params {
            rows: operands.rows,
            cols: operands.cols,
            tokens: operands.tokens,
            dtype: operands.w.dtype() as u32,
            level: self.isa.level() as u32,
            put: Put::number(Some(Put::of(operands.epilogue))),
            quantized: u32::from(quantized),
        }
    }

    /// Quantising is only worth it where integers are multiplied faster than f32.
    pub(crate) fn takes_integers(&self, operands: &Operands<'_>) -> bool {
        self.isa.level() >= Level::Avx2 && operands.w.dtype().is_quantized()
    }
}
