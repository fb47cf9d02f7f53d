//! Product with a constant, as Gemma applies to embeddings.

pub mod cpu;
