//! The GGUF model file format, versions 2 and 3, little-endian.
//!
//! A file is a header, metadata (keys with typed values), a table of tensors and their data, all
//! described in the ggml project's `docs/gguf.md`. [`GgufHeader::parse`] reads everything but the
//! data from a byte slice; [`GgufFile::open`] does so over a memory map and hands out tensor bytes
//! where they lie.
//!
//! Every file is checked before anything is believed: a header that parses has unique keys and
//! tensor names, and tensors that lie aligned and apart inside the file. Memory and time are
//! bounded by a small multiple of the file's own size, whatever its counts and lengths claim.
//!
//! Not read: version 1 (32-bit lengths, 2023), big-endian files, and models split over several
//! GGUF files.

mod cursor;
mod error;
mod file;
mod ggml_type;
mod header;
mod metadata;
mod tensor;
#[cfg(test)]
pub(crate) mod test_writer;
mod value;

pub use error::GgufError;
pub use file::GgufFile;
pub use ggml_type::GgmlType;
pub use header::GgufHeader;
pub use metadata::Metadata;
pub use tensor::TensorInfo;
pub use value::{Array, StringArray, Value, ValueType};
