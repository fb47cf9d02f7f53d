//! Tokenizers: text to token ids and back.
//!
//! A [`Tokenizer`] is built from what a model brings along:
//!
//! - a `tokenizer.json` ([`Tokenizer::from_json`]) runs through the `tokenizers` crate, which
//!   defines that format;
//! - the vocabulary inside a GGUF ([`Tokenizer::from_gguf`]) runs through code of this module,
//!   whose reference is llama.cpp.
//!
//! Why not the crate for both: (1) SentencePiece vocabularies in a GGUF have scores and no
//! merges, which none of the crate's models takes; (2) llama.cpp tolerates merges of pieces that
//! are no tokens and encodes what remains as bytes, where the crate refuses the vocabulary; (3)
//! in its pure-Rust build the crate matches pre-tokenizer patterns by limited backtracking,
//! where the patterns of GGUF names can be matched in linear time; (4) whether special tokens in
//! a text count is a question of each call here, and a setting of the whole tokenizer there.
//!
//! What this module does not do: WordPiece, Unigram and RWKV vocabularies in a GGUF, and
//! normalisation, which llama.cpp leaves out as well.

mod bpe;
mod byte_chars;
mod decode_stream;
mod deepseek_patterns;
mod error;
mod gguf;
mod gguf_metadata;
mod gguf_vocab;
mod json;
mod merging;
mod pre_tokenizer;
mod sentence_piece;
mod special;
mod vocabulary;

pub use decode_stream::DecodeStream;
pub use error::TokenizerError;
pub use gguf_vocab::GgufVocab;
pub use vocabulary::TokenKind;

use bpe::Bpe;
use json::JsonPipeline;
use sentence_piece::SentencePiece;
use special::{Fragment, SpecialMatcher};
use vocabulary::Vocabulary;

/// Most tokens that a vocabulary may have; the largest published ones have near 300,000.
pub const MAX_TOKENS: usize = 1 << 24;

/// Whether encoding adds the start and end tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddSpecial {
    /// As the model was trained: see [`Tokenizer::adds_bos`] and [`Tokenizer::adds_eos`].
    AsTrained,
    /// Never: for the continuation of a text and for rendered chat prompts.
    Never,
}

/// Whether the names of control tokens in a text stand for the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialText {
    /// They do: for prompts that a chat template made.
    Parse,
    /// They are text like any other: for what a user typed.
    Literal,
}

/// Whether decoding shows control tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialOutput {
    /// As their names.
    Show,
    /// Not at all.
    Skip,
}

/// Turns text into token ids and token ids into text.
///
/// ```
/// use dacapo_llm::tokenizer::{AddSpecial, GgufVocab, SpecialOutput, SpecialText, Tokenizer};
///
/// let tokenizer = Tokenizer::from_gguf(GgufVocab {
///     model: "gpt2".into(),
///     pre: Some("gpt-2".into()),
///     tokens: ["a", "b", "ab", "Ġ", "Ġab", "<end>"].map(|t| t.as_bytes().to_vec()).into(),
///     token_types: Some(vec![1, 1, 1, 1, 1, 3]),
///     merges: Some(["a b", "Ġ ab"].map(|m| m.as_bytes().to_vec()).into()),
///     ..GgufVocab::default()
/// })?;
/// let ids = tokenizer.encode("ab ab<end>", AddSpecial::AsTrained, SpecialText::Parse)?;
/// assert_eq!(ids, [2, 4, 5]);
/// assert_eq!(tokenizer.decode(&ids, SpecialOutput::Skip)?, "ab ab");
/// # Ok::<(), dacapo_llm::tokenizer::TokenizerError>(())
/// ```
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    encoder: Encoder,
}

#[derive(Debug)]
enum Encoder {
    Bpe(SpecialMatcher, Box<Bpe>),
    SentencePiece(SpecialMatcher, Box<SentencePiece>),
    Json(Box<JsonPipeline>),
}

impl Tokenizer {
    /// A tokenizer from the vocabulary inside a GGUF file.
    ///
    /// # Errors
    /// Anything in [`TokenizerError`] that concerns a vocabulary. Merges that name unknown
    /// pieces and repeated merges are no errors.
    pub fn from_gguf(vocab: GgufVocab) -> Result<Self, TokenizerError> {
        gguf::build(vocab)
    }

    /// A tokenizer from the text of a `tokenizer.json` and, if there is one, of the
    /// `tokenizer_config.json` beside it, which names the start and end tokens.
    ///
    /// # Errors
    /// [`TokenizerError::Json`] if either is malformed, [`TokenizerError::VocabularySize`].
    pub fn from_json(tokenizer: &str, config: Option<&str>) -> Result<Self, TokenizerError> {
        json::build(tokenizer, config)
    }

    /// The token ids of a text.
    ///
    /// # Errors
    /// [`TokenizerError::Unencodable`] and [`TokenizerError::Encode`].
    pub fn encode(
        &self,
        text: &str,
        add: AddSpecial,
        special: SpecialText,
    ) -> Result<Vec<u32>, TokenizerError> {
        if let Encoder::Json(pipeline) = &self.encoder {
            return pipeline.encode(text, add, special);
        }
        let roles = &self.vocabulary.roles;
        let added =
            |wanted: bool, id: Option<u32>| id.filter(|_| wanted && add == AddSpecial::AsTrained);
        let mut ids = Vec::with_capacity(text.len() / 3 + 2);
        ids.extend(added(roles.add_bos, roles.bos));
        self.encode_text(text, special, &mut ids)?;
        ids.extend(added(roles.add_eos, roles.eos));
        Ok(ids)
    }

    fn encode_text(
        &self,
        text: &str,
        special: SpecialText,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        match &self.encoder {
            Encoder::Bpe(matcher, bpe) => {
                for fragment in matcher.split(text, special) {
                    match fragment {
                        Fragment::Token(id) => ids.push(id),
                        Fragment::Text(text) => bpe.encode(text, ids),
                    }
                }
            }
            Encoder::SentencePiece(matcher, pieces) => {
                // As in llama.cpp, a text after a special token starts afresh, with its space.
                let mut starts = true;
                for fragment in matcher.split(text, special) {
                    match fragment {
                        Fragment::Token(id) => {
                            ids.push(id);
                            starts = true;
                        }
                        Fragment::Text(text) => {
                            pieces.encode(text, self.vocabulary.space_prefix && starts, ids)?;
                            starts = false;
                        }
                    }
                }
            }
            Encoder::Json(_) => {}
        }
        Ok(())
    }

    /// The text of token ids. Bytes that form no character become U+FFFD; the space that
    /// SentencePiece puts before a text is taken away.
    ///
    /// # Errors
    /// [`TokenizerError::IdOutOfRange`].
    pub fn decode(&self, ids: &[u32], special: SpecialOutput) -> Result<String, TokenizerError> {
        let mut bytes = Vec::with_capacity(ids.len().saturating_mul(4));
        let mut starts = self.vocabulary.space_prefix;
        for &id in ids {
            let token = self.token_bytes(id)?;
            let hidden = self.token_kind(id)?.is_hidden();
            if hidden && special == SpecialOutput::Skip {
                continue;
            }
            let token = match token.strip_prefix(b" ") {
                Some(rest) if starts && !hidden => rest,
                _ => token,
            };
            starts &= hidden;
            bytes.extend_from_slice(token);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Starts decoding a continuation token by token.
    pub fn decode_stream(&self, special: SpecialOutput) -> DecodeStream<'_> {
        DecodeStream::new(&self.vocabulary, special)
    }

    /// The number of tokens; ids are below it.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The bytes that a token adds to a text; for a control token, those of its name.
    ///
    /// # Errors
    /// [`TokenizerError::IdOutOfRange`].
    pub fn token_bytes(&self, id: u32) -> Result<&[u8], TokenizerError> {
        self.vocabulary
            .bytes(id)
            .ok_or_else(|| self.vocabulary.out_of_range(id))
    }

    /// What a token is for.
    ///
    /// # Errors
    /// [`TokenizerError::IdOutOfRange`].
    pub fn token_kind(&self, id: u32) -> Result<TokenKind, TokenizerError> {
        self.vocabulary
            .kind(id)
            .ok_or_else(|| self.vocabulary.out_of_range(id))
    }

    /// The token that starts a text.
    pub fn bos(&self) -> Option<u32> {
        self.vocabulary.roles.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.vocabulary.roles.eos
    }

    /// The token that ends a turn of a conversation.
    pub fn eot(&self) -> Option<u32> {
        self.vocabulary.roles.eot
    }

    /// The token for what cannot be encoded.
    pub fn unknown(&self) -> Option<u32> {
        self.vocabulary.roles.unk
    }

    /// The token that fills up batches.
    pub fn padding(&self) -> Option<u32> {
        self.vocabulary.roles.pad
    }

    /// Whether [`AddSpecial::AsTrained`] puts [`bos`](Self::bos) before a text.
    pub fn adds_bos(&self) -> bool {
        self.vocabulary.roles.add_bos
    }

    /// Whether [`AddSpecial::AsTrained`] puts [`eos`](Self::eos) after a text.
    pub fn adds_eos(&self) -> bool {
        self.vocabulary.roles.add_eos
    }

    /// The tokens after which generation ends, in ascending order: [`eos`](Self::eos),
    /// [`eot`](Self::eot) and tokens that are known to end an answer by their names.
    pub fn end_of_generation(&self) -> &[u32] {
        self.vocabulary.end_ids()
    }

    /// Whether generation ends after a token.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.end_of_generation().binary_search(&id).is_ok()
    }
}

#[cfg(test)]
mod tests;
