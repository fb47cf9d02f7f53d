//! Quantised weights and activations: block layouts, and turning blocks into f32.
//!
//! Formats are those of ggml (`ggml-common.h`); values agree with the PyPI package `gguf`.

mod activations;
pub(crate) mod blocks;
mod load_only;
mod matrix;
#[cfg(test)]
mod tests;

use half::bf16;

pub use activations::{Q15Group, quantize_row};
pub use load_only::LoadOnly;
pub use matrix::WeightMatrix;

use crate::dtype::DType;
use crate::error::{Error, check_length};
use crate::simd::{Isa, Kernel};
use blocks::{Block, Q4_0, Q4_1, Q4K, Q6K, Q8_0, half_to_f32};

/// Writes the elements of consecutive rows of `dtype` to `out` as f32, exactly as the format defines them.
///
/// Every level gives the same bits, up to the payload of NaN.
///
/// # Errors
/// [`Error::Type`] for [`DType::U32`]; [`Error::Shape`] or [`Error::Length`] if `bytes` are not exactly `out.len()`
/// elements in whole blocks.
pub fn dequantize(isa: Isa, dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<(), Error> {
    if dtype == DType::U32 {
        return Err(Error::Type {
            what: "a weight matrix",
            found: dtype,
            allowed: "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q6_K",
        });
    }
    let wanted = dtype.row_bytes(out.len()).ok_or(Error::Shape {
        dtype,
        rows: 1,
        cols: out.len(),
    })?;
    check_length("weights (bytes)", bytes.len(), wanted)?;
    isa.run(Dequantize { dtype, bytes, out });
    Ok(())
}

struct Dequantize<'a> {
    dtype: DType,
    bytes: &'a [u8],
    out: &'a mut [f32],
}

impl Kernel for Dequantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        convert(self.dtype, self.bytes, self.out);
    }
}

/// Turns whole blocks into f32. Inlined into callers that are compiled for wider registers.
#[inline(always)]
pub(crate) fn convert(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        DType::F32 => elements(bytes, out, f32::from_le_bytes),
        DType::F16 => elements(bytes, out, half_to_f32),
        DType::BF16 => elements(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        DType::Q8_0 => whole_blocks::<Q8_0>(bytes, out),
        DType::Q4_0 => whole_blocks::<Q4_0>(bytes, out),
        DType::Q4_1 => whole_blocks::<Q4_1>(bytes, out),
        DType::Q4K => whole_blocks::<Q4K>(bytes, out),
        DType::Q6K => whole_blocks::<Q6K>(bytes, out),
        DType::U32 => {}
    }
}

#[inline(always)]
fn elements<const N: usize>(bytes: &[u8], out: &mut [f32], from: impl Fn([u8; N]) -> f32) {
    for (y, &x) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *y = from(x);
    }
}

#[inline(always)]
fn whole_blocks<B: Block>(bytes: &[u8], out: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    for (block, y) in blocks.iter().zip(out.chunks_exact_mut(B::LEN)) {
        block.dequantize(y);
    }
}
