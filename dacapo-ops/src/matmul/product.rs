//! Products of a range of rows with several vectors, over slices.

use std::ops::Range;

use super::float;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::error::{Error, check_length};
use crate::quant::{Q15Group, WeightMatrix};
use crate::simd::Isa;
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;

/// `y[t, i] = sum_j x[t, j] * W[rows.start + i, j]`, all in f32, each sum in the order of the columns.
///
/// `x` is `[tokens, cols]`, `y` is `[tokens, rows.len()]`, both row-major; any number of rows and tokens will do.
///
/// # Errors
/// [`Error::Rows`] for a range outside the matrix, [`Error::Length`] for slices that do not fit.
pub fn exact(
    isa: Isa,
    w: &WeightMatrix<'_>,
    rows: Range<usize>,
    x: &[f32],
    tokens: usize,
    y: &mut [f32],
) -> Result<(), Error> {
    let bytes = w.row_range(rows.clone())?;
    check_length(
        "matmul input (f32)",
        x.len(),
        tokens.saturating_mul(w.cols()),
    )?;
    check_length(
        "matmul output (f32)",
        y.len(),
        tokens.saturating_mul(rows.len()),
    )?;
    y.fill(0.0);
    if y.is_empty() || w.cols() == 0 {
        return Ok(());
    }
    let x = float::Input::F32(x);
    float::product(isa, w, bytes, x, tokens, y);
    Ok(())
}

/// As [`exact`] for a quantised `W`, with each row of `x` from [`crate::quant::quantize_row`].
///
/// # Errors
/// As [`exact`]; [`Error::Type`] if `W` is not quantised.
pub fn quantized(
    isa: Isa,
    w: &WeightMatrix<'_>,
    rows: Range<usize>,
    x: &[Q15Group],
    tokens: usize,
    y: &mut [f32],
) -> Result<(), Error> {
    let bytes = w.quantized_row_range(rows.clone())?;
    check_length(
        "matmul input (groups)",
        x.len(),
        tokens.saturating_mul(Q15Group::count(w.cols())),
    )?;
    check_length(
        "matmul output (f32)",
        y.len(),
        tokens.saturating_mul(rows.len()),
    )?;
    y.fill(0.0);
    if y.is_empty() || w.cols() == 0 {
        return Ok(());
    }
    #[cfg(target_arch = "x86_64")]
    match isa.level() {
        Level::Avx512 => {
            avx512::product(isa, w, bytes, x, y);
            return Ok(());
        }
        Level::Avx2 => {
            avx2::product(isa, w, bytes, x, y);
            return Ok(());
        }
        _ => {}
    }
    float::product(isa, w, bytes, float::Input::Integers(x), tokens, y);
    Ok(())
}
