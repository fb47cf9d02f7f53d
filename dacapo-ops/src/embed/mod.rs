//! Rows of a weight table chosen by token ids.

use crate::error::{Error, check_length};
use crate::quant::{WeightMatrix, dequantize};
use crate::simd::Isa;

/// `out[t, ..] = table[ids[t], ..]` as f32; `out` is [ids.len(), table.cols()], row-major.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::testing::{Case, Random};

    #[test]
    fn rows_of_every_type() {
        let mut random = Random::new(21);
        for dtype in DType::WEIGHTS {
            let cols = 3 * dtype.block_len();
            let case = Case::new(&mut random, dtype, 7, cols);
            for isa in Isa::available() {
                let ids = [6, 0, 3, 3];
                let mut out = vec![f32::NAN; ids.len() * cols];
                gather(isa, &case.matrix(), &ids, &mut out).unwrap();
                for (id, out) in ids.into_iter().zip(out.chunks_exact(cols)) {
                    assert_eq!(case.row(id as usize), out, "{dtype} {isa:?}");
                }
            }
        }
    }

    #[test]
    fn unknown_ids_are_named() {
        let case = Case::new(&mut Random::new(22), DType::F32, 7, 2);
        let mut out = [0.0; 4];
        for id in [7, u32::MAX] {
            let error = gather(Isa::detect(), &case.matrix(), &[0, id], &mut out).unwrap_err();
            let message = format!("token id {id} is outside the vocabulary of 7");
            assert_eq!(error.to_string(), message);
        }
        assert!(gather(Isa::detect(), &case.matrix(), &[0], &mut out).is_err());
    }
}
