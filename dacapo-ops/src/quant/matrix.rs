//! A weight matrix where it lies in memory.

use std::ops::Range;

use crate::dtype::DType;
use crate::error::{Error, check_length};

/// A matrix of `rows` by `cols` weights, row-major, of any type of [`DType::WEIGHTS`], at any address.
#[derive(Clone, Copy, Debug)]
pub struct WeightMatrix<'a> {
    dtype: DType,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: &'a [u8],
}

impl<'a> WeightMatrix<'a> {
    /// A matrix over `bytes`.
    ///
    /// # Errors
    /// [`Error::Type`] for [`DType::U32`], [`Error::Shape`] if a row is no whole number of blocks, [`Error::Length`] if
    /// `bytes` has another size than the matrix.
    pub fn new(dtype: DType, rows: usize, cols: usize, bytes: &'a [u8]) -> Result<Self, Error> {
        if dtype == DType::U32 {
            return Err(Error::Type {
                what: "a weight matrix",
                found: dtype,
                allowed: "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q6_K",
            });
        }
        let shape = Error::Shape { dtype, rows, cols };
        let row_bytes = dtype.row_bytes(cols).ok_or(shape.clone())?;
        let wanted = row_bytes.checked_mul(rows).ok_or(shape)?;
        check_length("a weight matrix (bytes)", bytes.len(), wanted)?;
        Ok(Self {
            dtype,
            rows,
            cols,
            row_bytes,
            bytes,
        })
    }

    /// The type of the weights.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Number of rows, the width of the output.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, the width of the input.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The bytes of consecutive rows.
    ///
    /// # Errors
    /// [`Error::Rows`] if the range reaches past the last row or is reversed.
    pub fn row_range(&self, rows: Range<usize>) -> Result<&'a [u8], Error> {
        if rows.start > rows.end || rows.end > self.rows {
            return Err(Error::Rows {
                start: rows.start,
                end: rows.end,
                rows: self.rows,
            });
        }
        Ok(&self.bytes[rows.start * self.row_bytes..rows.end * self.row_bytes])
    }

    /// As [`WeightMatrix::row_range`], of a matrix that integer products can take.
    ///
    /// # Errors
    /// Also [`Error::Type`] if the matrix is not quantised.
    pub(crate) fn quantized_row_range(&self, rows: Range<usize>) -> Result<&'a [u8], Error> {
        let bytes = self.row_range(rows)?;
        if !self.dtype.is_quantized() {
            return Err(Error::Type {
                what: "the weight of an integer product",
                found: self.dtype,
                allowed: "Q8_0, Q4_0, Q4_1, Q4_K, Q6_K",
            });
        }
        Ok(bytes)
    }

    /// Bytes of one row.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }
}
