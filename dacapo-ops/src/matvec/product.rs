//! Products of a range of rows with one vector, over slices.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use super::{exact as floats, integer};
use crate::dtype::DType;
use crate::error::{Error, check_length};
use crate::quant::{Q15Group, WeightMatrix};
use crate::simd::Isa;
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;

/// `y[i] = sum_j W[rows.start + i, j] * x[j]` with weights and activations as f32; `x` holds `cols`, `y` one element
/// for each row of the range.
///
/// # Errors
/// [`Error::Rows`] for a range outside the matrix, [`Error::Length`] for slices of another length.
pub fn exact(
    isa: Isa,
    w: &WeightMatrix<'_>,
    rows: Range<usize>,
    x: &[f32],
    y: &mut [f32],
) -> Result<(), Error> {
    let bytes = w.row_range(rows.clone())?;
    check_length("matvec input (f32)", x.len(), w.cols())?;
    check_length("matvec output (f32)", y.len(), rows.len())?;
    if w.cols() == 0 {
        y.fill(0.0);
        return Ok(());
    }
    floats::rows(isa, w.dtype(), w.row_bytes(), bytes, x, y);
    Ok(())
}

/// As [`exact`] for a quantised `W`, with activations from [`crate::quant::quantize_row`].
///
/// # Errors
/// As [`exact`]; [`Error::Type`] if `W` is not quantised.
pub fn quantized(
    isa: Isa,
    w: &WeightMatrix<'_>,
    rows: Range<usize>,
    x: &[Q15Group],
    y: &mut [f32],
) -> Result<(), Error> {
    let bytes = w.quantized_row_range(rows.clone())?;
    check_length("matvec input (groups)", x.len(), Q15Group::count(w.cols()))?;
    check_length("matvec output (f32)", y.len(), rows.len())?;
    if w.cols() == 0 {
        y.fill(0.0);
        return Ok(());
    }
    integer_rows(isa, w.dtype(), w.row_bytes(), bytes, x, y);
    Ok(())
}

/// Starts to fetch the first of some rows, which will be multiplied soon: products fetch ahead, but not what they begin
/// with.
pub(super) fn fetch(w: &WeightMatrix<'_>, rows: Range<usize>) {
    /// What a product has fetched before it reaches it.
    const BYTES: usize = 4096;
    if let Ok(bytes) = w.row_range(rows) {
        for line in bytes[..bytes.len().min(BYTES)].chunks(64) {
            fetch_line(line);
        }
    }
}

/// Starts to fetch the cache line that a slice begins in.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn fetch_line(line: &[u8]) {
    avx512::fetch(line);
}

/// Stable Rust has no instruction for it here.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn fetch_line(_line: &[u8]) {}

fn integer_rows(
    isa: Isa,
    dtype: DType,
    row_bytes: usize,
    bytes: &[u8],
    x: &[Q15Group],
    y: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    match isa.level() {
        Level::Avx512 => return avx512::rows(isa, dtype, row_bytes, bytes, x, y),
        Level::Avx2 if avx2::has(dtype) => {
            return avx2::rows(isa, dtype, row_bytes, bytes, x, y);
        }
        _ => {}
    }
    integer::rows(isa, dtype, row_bytes, bytes, x, y);
}
