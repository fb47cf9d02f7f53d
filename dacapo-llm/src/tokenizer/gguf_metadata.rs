//! Where the fields of a [`GgufVocab`] are in a GGUF file.

use super::GgufVocab;
use crate::gguf::{GgufError, Metadata, StringArray};

impl GgufVocab {
    /// The vocabulary in a GGUF file's metadata; keys that are absent leave their field empty.
    ///
    /// # Errors
    /// [`GgufError`] if a key has a value of another type than the format says.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, GgufError> {
        let list = |key: &str| metadata.strings(&format!("tokenizer.ggml.{key}"));
        let bytes = |strings: &StringArray| strings.iter().map(|s| s.as_bytes().to_vec()).collect();
        let flag = |key: &str| metadata.bool(&format!("tokenizer.ggml.{key}"));
        let id = |key: &str| -> Result<Option<u32>, GgufError> {
            let id = metadata.uint(&format!("tokenizer.ggml.{key}_token_id"))?;
            // Ids beyond 32 bits stay out of range, where the vocabulary is checked. Writers put
            // the largest 32-bit number for "none", as llama.cpp's null token.
            Ok(id
                .map(|id| u32::try_from(id).unwrap_or(u32::MAX - 1))
                .filter(|&id| id != u32::MAX))
        };
        Ok(Self {
            model: metadata
                .str("tokenizer.ggml.model")?
                .unwrap_or_default()
                .to_owned(),
            pre: metadata.str("tokenizer.ggml.pre")?.map(str::to_owned),
            tokens: list("tokens")?.map(bytes).unwrap_or_default(),
            scores: metadata.f32s("tokenizer.ggml.scores")?.map(<[f32]>::to_vec),
            token_types: metadata
                .i32s("tokenizer.ggml.token_type")?
                .map(<[i32]>::to_vec),
            merges: list("merges")?.map(bytes),
            bos_id: id("bos")?,
            eos_id: id("eos")?,
            eot_id: id("eot")?,
            unk_id: id("unknown")?,
            pad_id: id("padding")?,
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            add_space_prefix: flag("add_space_prefix")?,
        })
    }
}
