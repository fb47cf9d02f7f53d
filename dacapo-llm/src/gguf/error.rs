//! What can be wrong with a GGUF file.

use super::{GgmlType, ValueType};
use crate::error::shortened;

/// Why a GGUF file was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file does not start with the magic bytes.
    #[error("not a GGUF file: it starts with \"{}\", a GGUF file with \"GGUF\"", found.escape_ascii())]
    NotGguf {
        /// The first bytes of the file, at most four.
        found: Vec<u8>,
    },
    /// The file was written for big-endian machines.
    #[error(
        "this is a big-endian GGUF file; only little-endian ones can be read (convert the model again without the big-endian option)"
    )]
    BigEndian,
    /// The version of the format is not known.
    #[error("GGUF version {found} is not supported, only versions 2 and 3 are")]
    Version {
        /// The version that the file states.
        found: u32,
    },
    /// The file ends in the middle of something.
    #[error("the file is cut short: {what} at byte {at} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: usize,
        /// How many bytes it needs at least.
        needed: u64,
        /// How many bytes the file still has.
        left: usize,
    },
    /// A count is larger than this reader or the rest of the file allows.
    #[error("{what} is {found}, at most {limit} is possible here")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The count that the file states.
        found: u64,
        /// The most that could be true.
        limit: u64,
    },
    /// A string is not UTF-8.
    #[error("{what} at byte {at} is not valid UTF-8")]
    Utf8 {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: usize,
    },
    /// A metadata key or tensor name is empty or too long.
    #[error("{what} at byte {at} has {found} bytes, 1 to {limit} are allowed")]
    NameLength {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: usize,
        /// Its length in bytes.
        found: usize,
        /// The longest allowed length in bytes.
        limit: usize,
    },
    /// Two metadata entries have the same key.
    #[error("the metadata key {key:?} appears twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Two tensors have the same name.
    #[error("the tensor name {name:?} appears twice")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// A value type id is not one of the format's.
    #[error("unknown value type {found} at byte {at}, known are 0 to 12")]
    UnknownValueType {
        /// The id in the file.
        found: u32,
        /// The offset in the file, in bytes.
        at: usize,
    },
    /// A boolean is neither 0 nor 1.
    #[error("boolean at byte {at} is {found}, only 0 and 1 are allowed")]
    Bool {
        /// The byte in the file.
        found: u8,
        /// The offset in the file, in bytes.
        at: usize,
    },
    /// Arrays lie within arrays too deeply.
    #[error("arrays are nested more than {limit} deep at byte {at}")]
    Nesting {
        /// The deepest allowed nesting.
        limit: usize,
        /// The offset in the file, in bytes.
        at: usize,
    },
    /// The alignment of tensor data is not usable.
    #[error("general.alignment is {found}, allowed is a power of two from 8 to {limit}")]
    Alignment {
        /// The alignment that the file states, in bytes.
        found: u64,
        /// The largest allowed alignment, in bytes.
        limit: u64,
    },
    /// A tensor has too many dimensions.
    #[error("it has {found} dimensions, at most {limit} are allowed")]
    Rank {
        /// The number of dimensions that the file states.
        found: u32,
        /// The largest allowed number.
        limit: usize,
    },
    /// A tensor's dimensions make no tensor that any machine could hold.
    #[error(
        "its dimensions are {dims:?}: each must be at least 1, and the size must stay below 2^63 bytes"
    )]
    Dimensions {
        /// The dimensions, fastest first.
        dims: Vec<u64>,
    },
    /// A tensor type id is not one of the format's.
    #[error("unknown tensor type {found}, known are {}", GgmlType::list())]
    UnknownTensorType {
        /// The id in the file.
        found: u32,
    },
    /// A tensor's rows do not consist of whole blocks.
    #[error("its rows have {row} elements, type {dtype} needs a multiple of {}", dtype.block_len())]
    PartialBlock {
        /// The length of a row in elements.
        row: u64,
        /// The tensor's type.
        dtype: GgmlType,
    },
    /// A tensor's data does not start at a multiple of the file's alignment.
    #[error(
        "its data starts at offset {offset}, which is not a multiple of the alignment {alignment}"
    )]
    Misaligned {
        /// The offset in the data section, in bytes.
        offset: u64,
        /// The file's alignment in bytes.
        alignment: u64,
    },
    /// A tensor's data does not lie inside the file.
    #[error(
        "its {size} bytes at offset {offset} do not fit into the data section, which has {available} bytes"
    )]
    OutOfFile {
        /// The offset in the data section, in bytes.
        offset: u64,
        /// The size of the tensor in bytes.
        size: u64,
        /// The size of the data section in bytes.
        available: u64,
    },
    /// Two tensors share bytes.
    #[error("the tensors {first:?} and {second:?} overlap at offset {offset} of the data section")]
    Overlap {
        /// The tensor that starts first.
        first: String,
        /// The tensor that starts inside the first.
        second: String,
        /// Where the second starts in the data section, in bytes.
        offset: u64,
    },
    /// A metadata value has another type than its use needs.
    #[error("it has type {found}, needed is {wanted}")]
    WrongType {
        /// The type in the file.
        found: ValueType,
        /// What the value is needed as.
        wanted: &'static str,
    },
    /// The elements of a metadata array have another type than its use needs.
    #[error("it is an array of {found}, needed is {wanted}")]
    WrongElementType {
        /// The type of the elements in the file.
        found: ValueType,
        /// What the value is needed as.
        wanted: &'static str,
    },
    /// Something is wrong with one metadata entry.
    #[error("metadata {key:?}: {error}")]
    Metadata {
        /// The key of the entry.
        key: String,
        /// What is wrong with it.
        error: Box<GgufError>,
    },
    /// Something is wrong with one tensor.
    #[error("tensor {name:?}: {error}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What is wrong with it.
        error: Box<GgufError>,
    },
}

impl GgufError {
    pub(super) fn in_metadata(self, key: &str) -> Self {
        Self::Metadata {
            key: shortened(key),
            error: Box::new(self),
        }
    }

    pub(super) fn in_tensor(self, name: &str) -> Self {
        Self::Tensor {
            name: name.to_owned(),
            error: Box::new(self),
        }
    }
}
