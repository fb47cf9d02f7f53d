//! Tokens by id: their bytes, what kind they are, and which have a role.

use std::collections::HashMap;

use super::TokenizerError;

/// A map whose hash is fast on short keys: building a tokenizer is mostly lookups.
pub(super) type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Texts that end generation in some published model, whatever its metadata says. The list is
/// that of llama.cpp, without those that only its special cases use.
const END_TEXTS: [&str; 18] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<｜end▁of▁sentence｜>",
];

/// Texts that steer code completion and are control tokens whatever the file says, as in
/// llama.cpp.
const FILL_IN_TEXTS: &[&str] = &[
    "<MID>",
    "<PAD>",
    "<PRE>",
    "<REPO>",
    "<SUF>",
    "<fim-middle>",
    "<fim-pad>",
    "<fim-prefix>",
    "<fim-repo>",
    "<fim-suffix>",
    "<fim_middle>",
    "<fim_pad>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<reponame>",
    "<|code_middle|>",
    "<|code_prefix|>",
    "<|code_suffix|>",
    "<|file_sep|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|fim_prefix|>",
    "<|fim_repo|>",
    "<|fim_suffix|>",
    "<|middle|>",
    "<|prefix|>",
    "<|repo_name|>",
    "<|suffix|>",
    "<｜fim▁begin｜>",
    "<｜fim▁end｜>",
    "<｜fim▁hole｜>",
    "[PAD]",
    "▁<MID>",
    "▁<PRE>",
    "▁<SUF>",
];

/// Texts that end a turn, best first, for vocabularies that do not name one.
const END_OF_TURN_TEXTS: [&str; 5] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
];

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Part of text.
    Normal,
    /// Stands for what cannot be encoded.
    Unknown,
    /// Steers the model and is no text: start, end, role marks.
    Control,
    /// Text that is matched before anything else.
    UserDefined,
    /// A place in the embedding table that no text uses.
    Unused,
    /// One byte of a character that has no token.
    Byte,
}

impl TokenKind {
    /// The numbering of `tokenizer.ggml.token_type`; llama.cpp too takes others as unused.
    pub(super) fn from_gguf(number: i32) -> Self {
        match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            6 => Self::Byte,
            _ => Self::Unused,
        }
    }

    /// Whether the token is left out of text shown to a reader.
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::Control | Self::Unknown | Self::Unused)
    }
}

/// The ids that have a role, each checked to be in the vocabulary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Roles {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) eot: Option<u32>,
    pub(super) unk: Option<u32>,
    pub(super) pad: Option<u32>,
    pub(super) add_bos: bool,
    pub(super) add_eos: bool,
}

/// Bytes and kinds of all tokens.
#[derive(Debug)]
pub(super) struct Vocabulary {
    bytes: Vec<u8>,
    /// Where each token's bytes end in `bytes`.
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
    pub(super) roles: Roles,
    end_ids: Vec<u32>,
    /// Whether encoding puts a space before a text, which decoding takes away again.
    pub(super) space_prefix: bool,
}

impl Vocabulary {
    pub(super) fn with_capacity(tokens: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(tokens.saturating_mul(8)),
            ends: Vec::with_capacity(tokens),
            kinds: Vec::with_capacity(tokens),
            roles: Roles::default(),
            end_ids: Vec::new(),
            space_prefix: false,
        }
    }

    /// Adds the next token.
    pub(super) fn push(&mut self, bytes: &[u8], kind: TokenKind) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.kinds.push(kind);
    }

    /// Sets the roles once all tokens are there, and finds the tokens that end generation.
    /// `find` gives the id of a text.
    pub(super) fn set_roles(
        &mut self,
        mut roles: Roles,
        find: impl Fn(&str) -> Option<u32>,
    ) -> Result<(), TokenizerError> {
        let named = [
            ("bos", roles.bos),
            ("eos", roles.eos),
            ("eot", roles.eot),
            ("unknown", roles.unk),
            ("padding", roles.pad),
        ];
        for (what, id) in named {
            if let Some(id) = id.filter(|&id| id as usize >= self.len()) {
                return Err(TokenizerError::SpecialOutOfRange {
                    what,
                    id,
                    tokens: self.len(),
                });
            }
        }
        if roles.add_bos && roles.bos.is_none() {
            return Err(TokenizerError::SpecialMissing { what: "bos" });
        }
        if roles.add_eos && roles.eos.is_none() {
            return Err(TokenizerError::SpecialMissing { what: "eos" });
        }
        roles.eot = roles
            .eot
            .or_else(|| END_OF_TURN_TEXTS.into_iter().find_map(&find));
        let mut ends: Vec<u32> = END_TEXTS.into_iter().filter_map(&find).collect();
        for id in ends
            .iter()
            .copied()
            .chain(FILL_IN_TEXTS.iter().filter_map(|text| find(text)))
        {
            // Some converted files have these as normal tokens; they must not appear as text.
            if let Some(kind) = self.kinds.get_mut(id as usize) {
                *kind = TokenKind::Control;
            }
        }
        ends.extend(roles.eos);
        ends.extend(roles.eot);
        ends.sort_unstable();
        ends.dedup();
        self.end_ids = ends;
        self.roles = roles;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn kind(&self, id: u32) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied()
    }

    pub(super) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)?;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    pub(super) fn end_ids(&self) -> &[u32] {
        &self.end_ids
    }

    pub(super) fn out_of_range(&self, id: u32) -> TokenizerError {
        TokenizerError::IdOutOfRange {
            id,
            tokens: self.len(),
        }
    }
}
