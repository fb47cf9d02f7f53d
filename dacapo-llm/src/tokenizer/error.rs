//! What can be wrong with a vocabulary or a request to a tokenizer.

/// Why a tokenizer could not be built or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// `tokenizer.ggml.model` names a kind of tokenizer that is not implemented.
    #[error(
        "tokenizer model {found:?} is unknown; known are \"llama\" (SentencePiece) and \"gpt2\" (byte-level BPE)"
    )]
    UnknownModel {
        /// The name found.
        found: String,
    },
    /// `tokenizer.ggml.pre` names a pre-tokenizer that is not implemented. Any other one would
    /// split words elsewhere and quietly spoil what the model says.
    #[error("pre-tokenizer {found:?} is unknown; known are {}", known.join(", "))]
    UnknownPreTokenizer {
        /// The name found.
        found: String,
        /// All names that are implemented.
        known: Vec<&'static str>,
    },
    /// There are no tokens, or more than ids can number.
    #[error("vocabulary of {tokens} tokens; from 1 to {max} are allowed", max = super::MAX_TOKENS)]
    VocabularySize {
        /// The number of tokens found.
        tokens: usize,
    },
    /// A per-token list is not as long as the list of tokens.
    #[error("{what}: {found} entries for {tokens} tokens")]
    CountMismatch {
        /// The list, such as `scores`.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The number of tokens.
        tokens: usize,
    },
    /// The model needs a list that is missing.
    #[error("a {model:?} vocabulary needs {what}, and there are none")]
    Missing {
        /// The kind of vocabulary.
        model: &'static str,
        /// The list, such as `merges`.
        what: &'static str,
    },
    /// A token is not UTF-8.
    #[error("token {id} is not UTF-8")]
    TokenNotUtf8 {
        /// The token.
        id: u32,
    },
    /// Two tokens have the same text, so that no text could stand for the first.
    #[error("tokens {first} and {second} are both {text:?}")]
    DuplicateToken {
        /// The lower id.
        first: u32,
        /// The higher id.
        second: u32,
        /// Their text.
        text: String,
    },
    /// A score is not a number, so that merges have no order.
    #[error("the score of token {id} is not a number")]
    ScoreNan {
        /// The token.
        id: u32,
    },
    /// A byte token is not written `<0xHH>`.
    #[error("byte token {id} is {text:?}; expected <0x00> to <0xFF>")]
    BadByteToken {
        /// The token.
        id: u32,
        /// Its text.
        text: String,
    },
    /// A merge is not two pieces with a space between.
    #[error("merge {index} is {text:?}; expected two pieces with one space between")]
    BadMerge {
        /// Position in the list of merges.
        index: usize,
        /// What was found.
        text: String,
    },
    /// The id of a special token is not in the vocabulary.
    #[error("{what} token id {id} is outside the vocabulary of {tokens} tokens")]
    SpecialOutOfRange {
        /// Which one, such as `bos`.
        what: &'static str,
        /// The id found.
        id: u32,
        /// The number of tokens.
        tokens: usize,
    },
    /// Every text should start or end with a token that the vocabulary does not name.
    #[error("the vocabulary asks for a {what} token around every text and names none")]
    SpecialMissing {
        /// Which one: `bos` or `eos`.
        what: &'static str,
    },
    /// A `tokenizer.json` or `tokenizer_config.json` cannot be used.
    #[error("{file}: {reason}")]
    Json {
        /// Which of the two files.
        file: &'static str,
        /// What is wrong, in the parser's words.
        reason: String,
    },
    /// The special tokens could not be compiled into one matcher.
    #[error("special tokens: {0}")]
    SpecialTokens(String),
    /// The text has a byte for which the vocabulary has neither a token nor an unknown token.
    #[error("byte {byte:#04x} has no token in this vocabulary")]
    Unencodable {
        /// The byte.
        byte: u8,
    },
    /// A `tokenizer.json` pipeline failed on a text.
    #[error("encoding failed: {0}")]
    Encode(String),
    /// An id is not in the vocabulary.
    #[error("token id {id} is outside the vocabulary of {tokens} tokens")]
    IdOutOfRange {
        /// The id given.
        id: u32,
        /// The number of tokens.
        tokens: usize,
    },
}
