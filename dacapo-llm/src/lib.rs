//! Model files, tokenizers and decoders on the dacapo runtime.
//!
//! A model file is opened with [`ModelFiles::open`], which takes a GGUF file or a folder as on
//! Hugging Face, and yields a checked [`ModelConfig`] and checked [`Weights`] that point into the
//! mapped file. Nothing is copied or decoded there.

pub mod chat;
pub mod config;
mod error;
pub mod gguf;
mod mapped;
mod model_files;
mod model_text;
pub mod safetensors;
pub mod tensors;
pub mod tokenizer;
mod unique_map;
pub mod weights;

pub use config::ModelConfig;
pub use error::{Error, Result};
pub use mapped::MappedFile;
pub use model_files::ModelFiles;
pub use weights::Weights;
