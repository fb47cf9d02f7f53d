//! Model files, tokenizers and decoders on the dacapo runtime.

pub mod chat;
pub mod tokenizer;
