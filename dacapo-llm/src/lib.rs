//! Model files, tokenizers and decoders on the dacapo runtime.
//!
//! A model file is opened with [`ModelFiles::open`], which takes a GGUF file or a folder as on
//! Hugging Face, and yields a checked [`ModelConfig`] and checked [`Weights`] that point into the
//! mapped file. Nothing is copied or decoded there. [`Model::load`] puts the weights where a device
//! uses them, and a [`Session`] turns tokens into tokens.
//!
//! ```no_run
//! use dacapo::{Device, DeviceOptions};
//! use dacapo_llm::tokenizer::{AddSpecial, SpecialOutput, SpecialText};
//! use dacapo_llm::{Model, ModelFiles, Sampling, Session, SessionOptions};
//!
//! let files = ModelFiles::open("model.gguf")?;
//! let tokenizer = files.tokenizer()?;
//! let device = Device::open(&DeviceOptions::default())?;
//! let model = Model::load(&device, &files, &mut |_| {})?;
//! let mut session = Session::new(&model, &SessionOptions::for_model(&model))?;
//!
//! let prompt = tokenizer.encode("Once upon a time", AddSpecial::AsTrained, SpecialText::Literal)?;
//! session.push(&prompt, &mut |_| {})?;
//! let mut text = tokenizer.decode_stream(SpecialOutput::Skip);
//! for _ in 0..100 {
//!     let token = session.next_token(&Sampling::GREEDY)?;
//!     if tokenizer.is_end_of_generation(token) {
//!         break;
//!     }
//!     print!("{}", text.push(token)?);
//! }
//! println!("{}", text.finish());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chat;
pub mod config;
pub mod decoder;
mod error;
pub mod gguf;
mod mapped;
mod model_files;
mod model_text;
pub mod perplexity;
pub mod safetensors;
pub mod tensors;
pub mod tokenizer;
pub mod tuning;
mod unique_map;
pub mod weights;

pub use config::ModelConfig;
pub use decoder::{
    CacheType, DecoderError, LoadProgress, Model, PassOptions, Sampling, Session, SessionOptions,
};
pub use error::{Error, Result};
pub use mapped::MappedFile;
pub use model_files::ModelFiles;
pub use weights::Weights;
