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
        let operands = Operands {
            w,
            x,
            epilogue,
            out,
            rows: check.size("rows of w", rows)?,
            cols: check.size("columns of w", cols)?,
            tokens: check.size("rows of x", tokens)?,
        };
        if operands.tokens < MANY {
            return self.matvec.encode(encoder, &operands);
        }
        let wanted = scratch_bytes(tokens, cols);
        if self.matmul.takes_integers(&operands) && scratch.len() < wanted {
            return Err(Error::Length {
                what: "the scratch of linear (bytes)",
                found: scratch.len() as usize,
                wanted: wanted as usize,
            });
        }
        self.matmul.encode(encoder, &operands, scratch)
    }
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
