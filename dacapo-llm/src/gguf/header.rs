//! Everything before the tensors' data.

use indexmap::IndexMap;

use super::cursor::Cursor;
use super::{GgufError, Metadata, TensorInfo, tensor};

const MAGIC: [u8; 4] = *b"GGUF";

/// The alignment of tensor data where the metadata states none, in bytes.
const DEFAULT_ALIGNMENT: u64 = 32;

/// The largest alignment in use anywhere is that of a huge page.
const MAX_ALIGNMENT: u64 = 1 << 30;

/// Far above any model (a thousand tensors and a hundred entries are much), and low enough that
/// the tables of a hostile file of any size stay small.
const MAX_ENTRIES: u64 = 1 << 20;

/// The metadata and the table of tensors of a GGUF file.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufHeader {
    version: u32,
    alignment: u64,
    data_start: usize,
    metadata: Metadata,
    tensors: IndexMap<String, TensorInfo>,
}

impl GgufHeader {
    /// Reads the header of a file of which `bytes` is the whole content.
    ///
    /// Follows ggml's `docs/gguf.md`, versions 2 and 3 (which differ only in that version 3 also
    /// allows big-endian files).
    ///
    /// # Errors
    ///
    /// [`GgufError`] for everything that the format does not allow, see its variants.
    pub fn parse(bytes: &[u8]) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(bytes);
        let version = read_version(&mut cursor)?;
        let tensor_count = tensor::read_count(&mut cursor, MAX_ENTRIES)?;
        let metadata_count = Metadata::read_count(&mut cursor, MAX_ENTRIES)?;
        let metadata = Metadata::read(&mut cursor, metadata_count)?;
        let alignment = alignment(&metadata)?;
        let table = tensor::read_table(&mut cursor, tensor_count)?;
        // A file without tensors need not be padded up to where its data would start.
        let data_start = (cursor.at() as u64)
            .next_multiple_of(alignment)
            .min(bytes.len() as u64) as usize;
        let tensors = tensor::place(table, data_start..bytes.len(), alignment)?;
        Ok(Self {
            version,
            alignment,
            data_start,
            metadata,
            tensors,
        })
    }

    /// The version of the format, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The alignment of tensor data relative to the start of the data section, in bytes.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// Where the data section starts in the file, in bytes.
    pub fn data_start(&self) -> usize {
        self.data_start
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The tensors by name, in the order of the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, info)| (name.as_str(), info))
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, GgufError> {
    let found = cursor.take(cursor.left().min(MAGIC.len()) as u64, "the magic bytes")?;
    if found != MAGIC {
        if found.iter().rev().eq(&MAGIC) {
            return Err(GgufError::BigEndian);
        }
        let found = found.to_vec();
        return Err(GgufError::NotGguf { found });
    }
    match cursor.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        // Big-endian files have the same magic bytes; their version reads as a huge number.
        found if (1..=3).contains(&found.swap_bytes()) => Err(GgufError::BigEndian),
        found => Err(GgufError::Version { found }),
    }
}

fn alignment(metadata: &Metadata) -> Result<u64, GgufError> {
    let Some(found) = metadata.uint("general.alignment")? else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    if !found.is_power_of_two() || !(8..=MAX_ALIGNMENT).contains(&found) {
        let limit = MAX_ALIGNMENT;
        return Err(GgufError::Alignment { found, limit });
    }
    Ok(found)
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
