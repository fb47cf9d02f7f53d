//! A GGUF file on disk.

use std::path::Path;
use std::sync::Arc;

use super::{GgufHeader, TensorInfo};
use crate::error::{Error, Result};
use crate::mapped::MappedFile;

/// A memory-mapped GGUF file with its checked header.
#[derive(Debug, Clone)]
pub struct GgufFile {
    file: Arc<MappedFile>,
    header: GgufHeader,
}

impl GgufFile {
    /// Maps the file at `path` and reads its header.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Io`] or [`Error::Gguf`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_mapped(Arc::new(MappedFile::open(path)?))
    }

    /// Reads the header of a file that is mapped already, or in memory alone.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Gguf`].
    pub fn from_mapped(file: Arc<MappedFile>) -> Result<Self> {
        let header = GgufHeader::parse(file.bytes())
            .map_err(|error| Error::from(error).in_file(file.path()))?;
        Ok(Self { file, header })
    }

    /// The metadata and the table of tensors.
    pub fn header(&self) -> &GgufHeader {
        &self.header
    }

    /// The mapped file, for a buffer that uses the bytes in place.
    pub fn file(&self) -> &Arc<MappedFile> {
        &self.file
    }

    /// The mapped file and its header.
    pub fn into_parts(self) -> (Arc<MappedFile>, GgufHeader) {
        (self.file, self.header)
    }

    /// The data of the tensor called `name`, as it lies in the file.
    pub fn tensor(&self, name: &str) -> Option<(&TensorInfo, &[u8])> {
        let info = self.header.tensor(name)?;
        let bytes = self.file.bytes().get(info.range())?;
        Some((info, bytes))
    }
}
