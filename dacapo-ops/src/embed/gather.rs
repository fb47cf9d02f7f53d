//! Rows of a weight table over slices.

use crate::error::{Error, check_length};
use crate::quant::{WeightMatrix, dequantize};
use crate::simd::Isa;

/// `out[t, ..] = table[ids[t], ..]` as f32; `out` is `[ids.len(), table.cols()]`, row-major.
///
/// # Errors
/// [`Error::TokenId`] for an id that the table has no row for, [`Error::Length`] if `out` does not fit.
pub fn gather(
    isa: Isa,
    table: &WeightMatrix<'_>,
    ids: &[u32],
    out: &mut [f32],
) -> Result<(), Error> {
    check_length(
        "embedding output (f32)",
        out.len(),
        ids.len().saturating_mul(table.cols()),
    )?;
    if table.cols() == 0 {
        return Ok(());
    }
    for (&id, out) in ids.iter().zip(out.chunks_exact_mut(table.cols())) {
        let row = usize::try_from(id).unwrap_or(usize::MAX);
        if row >= table.rows() {
            return Err(Error::TokenId {
                id,
                vocabulary: table.rows(),
            });
        }
        dequantize(isa, table.dtype(), table.row_range(row..row + 1)?, out)?;
    }
    Ok(())
}
