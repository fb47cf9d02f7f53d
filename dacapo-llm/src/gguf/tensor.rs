//! The table of tensors.

use std::ops::Range;

use indexmap::IndexMap;

use super::cursor::Cursor;
use super::{GgmlType, GgufError};

/// The longest tensor name that the format allows, in bytes.
const MAX_NAME: usize = 64;

/// The most dimensions that ggml's tensors have.
const MAX_RANK: usize = 4;

/// A length, a name of one byte, no dimensions, a type and an offset.
const MIN_ENTRY: usize = 8 + 1 + 4 + 4 + 8;

/// Where and what a tensor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    dims: [u64; MAX_RANK],
    rank: usize,
    dtype: GgmlType,
    offset: u64,
    range: Range<usize>,
}

impl TensorInfo {
    /// The dimensions in elements, fastest first as in the file: a matrix has its columns first.
    pub fn dims(&self) -> &[u64] {
        &self.dims[..self.rank]
    }

    /// The type of the elements.
    pub fn dtype(&self) -> GgmlType {
        self.dtype
    }

    /// Where the data starts in the data section, in bytes, as the file states it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the data lies in the file, in bytes.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

/// Reads how many tensors there are.
pub(super) fn read_count(cursor: &mut Cursor<'_>, limit: u64) -> Result<u64, GgufError> {
    cursor.count("the number of tensors", MIN_ENTRY, limit)
}

/// A table entry whose place has not been checked yet.
#[derive(Debug)]
pub(super) struct Unplaced {
    dims: [u64; MAX_RANK],
    rank: usize,
    dtype: GgmlType,
    offset: u64,
    size: u64,
}

/// Reads `count` table entries.
pub(super) fn read_table(
    cursor: &mut Cursor<'_>,
    count: u64,
) -> Result<IndexMap<String, Unplaced>, GgufError> {
    let mut table = IndexMap::new();
    for _ in 0..count {
        let name = cursor.name("a tensor name", MAX_NAME)?;
        if table.contains_key(name) {
            let name = name.to_owned();
            return Err(GgufError::DuplicateTensor { name });
        }
        let tensor = Unplaced::read(cursor).map_err(|error| error.in_tensor(name))?;
        table.insert(name.to_owned(), tensor);
    }
    Ok(table)
}

/// Checks that every tensor lies aligned, alone and within `data`, a range of the file.
pub(super) fn place(
    table: IndexMap<String, Unplaced>,
    data: Range<usize>,
    alignment: u64,
) -> Result<IndexMap<String, TensorInfo>, GgufError> {
    let mut tensors = IndexMap::with_capacity(table.len());
    for (name, tensor) in table {
        let placed = tensor
            .place(&data, alignment)
            .map_err(|error| error.in_tensor(&name))?;
        tensors.insert(name, placed);
    }
    check_apart(&tensors)?;
    Ok(tensors)
}

impl Unplaced {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, GgufError> {
        let found = cursor.u32("the number of dimensions")?;
        let rank = found as usize;
        if rank > MAX_RANK {
            let limit = MAX_RANK;
            return Err(GgufError::Rank { found, limit });
        }
        let mut dims = [1; MAX_RANK];
        for dim in &mut dims[..rank] {
            *dim = cursor.u64("a dimension")?;
        }
        let found = cursor.u32("the tensor type")?;
        let dtype = GgmlType::from_id(found).ok_or(GgufError::UnknownTensorType { found })?;
        let offset = cursor.u64("the offset of the data")?;
        let size = size(&dims[..rank], dtype)?;
        Ok(Self {
            dims,
            rank,
            dtype,
            offset,
            size,
        })
    }

    fn place(&self, data: &Range<usize>, alignment: u64) -> Result<TensorInfo, GgufError> {
        let &Self { offset, size, .. } = self;
        if !offset.is_multiple_of(alignment) {
            return Err(GgufError::Misaligned { offset, alignment });
        }
        let available = data.len() as u64;
        match offset.checked_add(size) {
            Some(end) if end <= available => {}
            _ => {
                return Err(GgufError::OutOfFile {
                    offset,
                    size,
                    available,
                });
            }
        }
        // Both fit into the file's length, which is a usize.
        let start = data.start + offset as usize;
        Ok(TensorInfo {
            dims: self.dims,
            rank: self.rank,
            dtype: self.dtype,
            offset,
            range: start..start + size as usize,
        })
    }
}

/// The size in bytes of a tensor with these dimensions.
fn size(dims: &[u64], dtype: GgmlType) -> Result<u64, GgufError> {
    let unusable = || GgufError::Dimensions {
        dims: dims.to_vec(),
    };
    if dims.contains(&0) {
        return Err(unusable());
    }
    let row = dims.first().copied().unwrap_or(1);
    if !row.is_multiple_of(dtype.block_len() as u64) {
        return Err(GgufError::PartialBlock { row, dtype });
    }
    let mut size = dtype.size_of(row).ok_or_else(unusable)?;
    for &dim in dims.iter().skip(1) {
        size = size.checked_mul(dim).ok_or_else(unusable)?;
    }
    if size > i64::MAX as u64 {
        return Err(unusable());
    }
    Ok(size)
}

/// Checks that no two tensors share bytes.
fn check_apart(tensors: &IndexMap<String, TensorInfo>) -> Result<(), GgufError> {
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| tensor.range.start);
    for pair in order.windows(2) {
        let [(first, a), (second, b)] = pair else {
            continue;
        };
        if b.range.start < a.range.end {
            return Err(GgufError::Overlap {
                first: (*first).clone(),
                second: (*second).clone(),
                offset: b.offset,
            });
        }
    }
    Ok(())
}
