//! What can be wrong with what an operation is given.

use crate::dtype::DType;
use crate::tensor::TensorError;

/// The result of a fallible call of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation was refused.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row is no whole number of blocks, or a size overflows.
    #[error("a {dtype} matrix of {rows} x {cols} has no size in memory: rows must be whole blocks of {} elements", dtype.block_len())]
    Shape {
        /// The type asked for.
        dtype: DType,
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        cols: usize,
    },
    /// A slice has another length than the shapes require.
    #[error("{what} holds {found}, but the shapes require {wanted}")]
    Length {
        /// Which argument, and in which unit it is counted.
        what: &'static str,
        /// What was given.
        found: usize,
        /// What the shapes require.
        wanted: usize,
    },
    /// The type cannot be used here.
    #[error("{what} cannot be {found}; possible are {allowed}")]
    Type {
        /// Which argument.
        what: &'static str,
        /// What was given.
        found: DType,
        /// The types that can be used.
        allowed: &'static str,
    },
    /// A range of rows reaches past the matrix.
    #[error("rows {start}..{end} reach outside a matrix of {rows} rows")]
    Rows {
        /// First row asked for.
        start: usize,
        /// One past the last row asked for.
        end: usize,
        /// Rows of the matrix.
        rows: usize,
    },
    /// Workgroups of a dispatch that wait for each other gave up: what was computed since the last check is wrong.
    #[error(
        "{op}: workgroups of one dispatch waited in vain for others, which the device did not run at the same time; what was computed since is wrong. Fewer workgroups, or none that wait, help: tune anew, or use no tuning"
    )]
    Apart {
        /// The operation.
        op: &'static str,
    },
    /// A token id is outside the embedding table.
    #[error("token id {id} is outside the vocabulary of {vocabulary}")]
    TokenId {
        /// The id.
        id: u32,
        /// Rows of the table.
        vocabulary: usize,
    },
    /// A tensor of an operation has the wrong type, shape or layout.
    #[error("{op}: {tensor} is {found}; it must be {wanted}")]
    Operand {
        /// The operation.
        op: &'static str,
        /// Which of its tensors.
        tensor: &'static str,
        /// Type, shape and layout of what was given.
        found: Box<str>,
        /// What is possible.
        wanted: Box<str>,
    },
    /// A parameter of an operation is out of its range.
    #[error("{op}: {what} is {found}; it must be {allowed}")]
    Parameter {
        /// The operation.
        op: &'static str,
        /// Which parameter.
        what: &'static str,
        /// What was given.
        found: f64,
        /// What is possible.
        allowed: &'static str,
    },
    /// Several operations were asked for in one dispatch, which the device cannot do for these operands. Encoded one by
    /// one they may be possible.
    #[error("{op}: not in one dispatch: {reason}")]
    Unfused {
        /// The operation.
        op: &'static str,
        /// What stands in the way.
        reason: Box<str>,
    },
    /// The runtime refused.
    #[error(transparent)]
    Runtime(#[from] dacapo::Error),
    /// A tensor cannot be made.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Checks that `what` holds exactly as many elements as the shapes require.
pub(crate) fn check_length(what: &'static str, found: usize, wanted: usize) -> Result<(), Error> {
    if found == wanted {
        Ok(())
    } else {
        Err(Error::Length {
            what,
            found,
            wanted,
        })
    }
}
