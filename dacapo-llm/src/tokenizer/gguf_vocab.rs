//! The vocabulary as a GGUF file states it.

/// The `tokenizer.ggml.*` metadata of a GGUF file, unchecked.
///
/// [`Tokenizer::from_gguf`](super::Tokenizer::from_gguf) checks it. Each field names the key it
/// is read from, as specified in <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `tokenizer.ggml.model`: `llama` (SentencePiece) or `gpt2` (byte-level BPE).
    pub model: String,
    /// `tokenizer.ggml.pre`: the pre-tokenizer of a `gpt2` vocabulary.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`: the text of every token, in order of id.
    pub tokens: Vec<Vec<u8>>,
    /// `tokenizer.ggml.scores`: needed by `llama`, unused by `gpt2`.
    pub scores: Option<Vec<f32>>,
    /// `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused,
    /// 6 byte. Without it every token is normal.
    pub token_types: Option<Vec<i32>>,
    /// `tokenizer.ggml.merges`: needed by `gpt2`, best first, two pieces with a space between.
    pub merges: Option<Vec<Vec<u8>>>,
    /// `tokenizer.ggml.bos_token_id`: starts a text.
    pub bos_id: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`: ends a text.
    pub eos_id: Option<u32>,
    /// `tokenizer.ggml.eot_token_id`: ends a turn of a conversation.
    pub eot_id: Option<u32>,
    /// `tokenizer.ggml.unknown_token_id`: stands for what cannot be encoded.
    pub unk_id: Option<u32>,
    /// `tokenizer.ggml.padding_token_id`.
    pub pad_id: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`; by default true for `llama` and for the Llama 3 and
    /// Tekken pre-tokenizers, where there is such a token.
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`; by default false.
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`: whether `llama` puts a space before a text; by
    /// default true.
    pub add_space_prefix: Option<bool>,
}
