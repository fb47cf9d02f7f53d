//! Linear layers: `out = x W^T + bias`, by the kernel that suits the number of rows.

#[cfg(test)]
mod tests;

use dacapo::{BufferView, CommandEncoder, Device, KernelFault, Workgroup};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::matmul::MatMul;
use crate::matvec::MatVec;
use crate::quant::{Q15Group, WeightMatrix};
use crate::simd::Isa;
use crate::tensor::Tensor;

/// Rows of activations from which on unpacking weights into tiles is worth it.
const MANY: u32 = 4;

/// What happens to a product before it is written.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Nothing.
    None,
    /// This F32 vector, one element for each output column, is added to every row.
    Bias(&'a Tensor),
}

/// One of several products of the same activations.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The weights, `[rows, cols]`.
    pub w: &'a Tensor,
    /// What happens to the product before it is written.
    pub epilogue: Epilogue<'a>,
    /// Where it is written, `[tokens, rows]`.
    pub out: &'a Tensor,
}

/// `out = x W^T + bias` for weights of any type.
///
/// Activations that meet quantised weights become integers of 15 bits in blocks of 32 with an f32 scale ([`Q15Group`]),
/// where that is the faster way: an error of up to 1/32512 of the largest activation of its block in each. All else is
/// multiplied in f32.
#[derive(Clone, Debug)]
pub struct Linear {
    matvec: MatVec,
    matmul: MatMul,
}

/// Checked operands of one product.
pub(crate) struct Operands<'a> {
    pub(crate) w: &'a Tensor,
    pub(crate) x: &'a Tensor,
    pub(crate) epilogue: Epilogue<'a>,
    pub(crate) out: &'a Tensor,
    /// Rows of `w`.
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    /// Rows of `x`.
    pub(crate) tokens: u32,
}

impl Linear {
    /// Compiles the operation for `device`, with the best instructions of the processor.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the device cannot run it.
    pub fn new(device: &Device) -> Result<Linear> {
        Linear::with(device, Isa::detect())
    }

    /// As [`Linear::new`] with a chosen level.
    ///
    /// # Errors
    /// As [`Linear::new`].
    pub fn with(device: &Device, isa: Isa) -> Result<Linear> {
        Ok(Linear {
            matvec: MatVec::new(device, isa)?,
            matmul: MatMul::new(device, isa)?,
        })
    }

    /// Bytes of scratch that products with up to `max_tokens` rows of up to `max_cols` activations need, at least 1.
    #[must_use]
    pub fn scratch_bytes(max_tokens: usize, max_cols: usize) -> u64 {
        scratch_bytes(max_tokens, max_cols).max(1)
    }

    /// Encodes `out[t, i] = sum_j x[t, j] * w[i, j] + bias[i]`.
    ///
    /// `w` is `[rows, cols]` of any type of [`DType::WEIGHTS`], `x` `[tokens, cols]` F32, `out` `[tokens, rows]` F32,
    /// all contiguous; `out` and `scratch` overlap no other. `scratch` holds at least
    /// [`Linear::scratch_bytes`]`(tokens, cols)` bytes, and starts at a multiple of 4; its contents mean nothing afterwards.
    ///
    /// # Errors
    /// [`Error::Operand`] for a tensor that does not fit, [`Error::Length`] for too little scratch, and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        w: &Tensor,
        x: &Tensor,
        epilogue: Epilogue<'_>,
        scratch: &BufferView,
        out: &Tensor,
    ) -> Result<()> {
        self.encode_each(encoder, &[Product { w, epilogue, out }], x, scratch)
    }

    /// Encodes several products of the same `x`, such as queries, keys and values, which may run at the same time:
    /// activations are quantised once for all of them. Shapes as in [`Linear::encode`].
    ///
    /// # Errors
    /// As [`Linear::encode`].
    pub fn encode_each(
        &self,
        encoder: &mut CommandEncoder,
        products: &[Product<'_>],
        x: &Tensor,
        scratch: &BufferView,
    ) -> Result<()> {
        let mut quantized = None;
        for product in products {
            let operands = operands(product, x)?;
            if operands.tokens < MANY {
                self.matvec.encode(encoder, &operands)?;
            } else if !self.matmul.takes_integers(&operands) {
                self.matmul.encode_float(encoder, &operands)?;
            } else {
                let input = match quantized.take() {
                    Some(input) => input,
                    None => self.quantize(encoder, &operands, scratch)?,
                };
                self.matmul.encode_integer(encoder, &operands, &input)?;
                quantized = Some(input);
            }
        }
        Ok(())
    }

    fn quantize(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        scratch: &BufferView,
    ) -> Result<BufferView> {
        let wanted = scratch_bytes(operands.tokens as usize, operands.cols as usize);
        if scratch.len() < wanted {
            return Err(Error::Length {
                what: "the scratch of linear (bytes)",
                found: scratch.len() as usize,
                wanted: wanted as usize,
            });
        }
        let quantized = scratch.slice(..wanted)?;
        self.matmul.quantize(encoder, operands, &quantized)?;
        Ok(quantized)
    }
}

fn operands<'a>(product: &Product<'a>, x: &'a Tensor) -> Result<Operands<'a>> {
    let &Product { w, epilogue, out } = product;
    let check = Check("linear");
    let [rows, cols] = check.dims("w", w, &DType::WEIGHTS)?;
    let [tokens, width] = check.dims("x", x, &[DType::F32])?;
    if width != cols {
        check.tensor("x", x, &[DType::F32], &[tokens, cols])?;
    }
    check.tensor("out", out, &[DType::F32], &[tokens, rows])?;
    if let Epilogue::Bias(bias) = epilogue {
        check.tensor("bias", bias, &[DType::F32], &[rows])?;
    }
    Ok(Operands {
        w,
        x,
        epilogue,
        out,
        rows: check.size("rows of w", rows)?,
        cols: check.size("columns of w", cols)?,
        tokens: check.size("rows of x", tokens)?,
    })
}

/// Bytes of `tokens` quantised rows.
pub(crate) fn scratch_bytes(tokens: usize, cols: usize) -> u64 {
    let row = (Q15Group::count(cols) as u64).saturating_mul(size_of::<Q15Group>() as u64);
    row.saturating_mul(tokens as u64)
}

/// The weights bound at slot 0, and the level that inline bytes name.
pub(crate) fn weights<'a>(
    group: &Workgroup<'a>,
    level: u32,
    dtype: u32,
    rows: u32,
    cols: u32,
) -> Result<(Isa, WeightMatrix<'a>), KernelFault> {
    let dtype = DType::from_number(dtype)
        .ok_or_else(|| KernelFault::new(format!("there is no element type number {dtype}")))?;
    let w = WeightMatrix::new(dtype, rows as usize, cols as usize, group.read::<u8>(0));
    Ok((isa(level)?, w.map_err(fault)?))
}

/// The level that inline bytes name.
pub(crate) fn isa(level: u32) -> Result<Isa, KernelFault> {
    Isa::from_number(level)
        .ok_or_else(|| KernelFault::new(format!("the processor has no level number {level}")))
}

/// An error of a compute function as the kernel's.
pub(crate) fn fault(error: Error) -> KernelFault {
    KernelFault::new(error.to_string())
}
