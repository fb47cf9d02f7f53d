//! Byte-level BPE: the `gpt2` vocabularies of GGUF files.

use super::merging::{Merges, merge_all};
use super::pre_tokenizer::PreTokenizer;
use super::vocabulary::FastMap;
use super::{TokenizerError, byte_chars};

/// Encodes text that holds no special tokens.
#[derive(Debug)]
pub(super) struct Bpe {
    pre_tokenizer: PreTokenizer,
    /// The piece that each byte starts as.
    byte_pieces: [u32; 256],
    /// Pairs of pieces to rank and result.
    merges: FastMap<(u32, u32), (u32, u32)>,
    /// Pieces from here on are no tokens: intermediate results of merges, which end as bytes.
    tokens: u32,
    /// The bytes of such pieces.
    no_tokens: Vec<Vec<u8>>,
    /// Tokens by their bytes, kept where whole words are looked up.
    whole_words: FastMap<Vec<u8>, u32>,
}

impl Bpe {
    /// `ids` holds all tokens by their text, in the characters of [`byte_chars`].
    ///
    /// Like llama.cpp, merges may name pieces that are no tokens: whatever remains of such
    /// pieces is encoded byte by byte. Of equal merges the first counts.
    pub(super) fn new(
        pre_tokenizer: PreTokenizer,
        ids: &FastMap<&str, u32>,
        merges: &[Vec<u8>],
    ) -> Result<Self, TokenizerError> {
        let tokens = ids.len() as u32;
        let whole_words = if pre_tokenizer.whole_words {
            ids.iter()
                .filter_map(|(text, &id)| Some((byte_chars::decode(text)?, id)))
                .collect()
        } else {
            FastMap::default()
        };
        let mut pieces = Pieces {
            ids,
            others: FastMap::default(),
            tokens,
            no_tokens: Vec::new(),
        };
        let mut byte_pieces = [0; 256];
        for (byte, piece) in (0..=u8::MAX).zip(&mut byte_pieces) {
            *piece = pieces.intern(byte_chars::char_of(byte).encode_utf8(&mut [0; 4]));
        }
        let mut by_pair = FastMap::with_capacity_and_hasher(merges.len(), Default::default());
        let mut whole = String::new();
        for (index, merge) in merges.iter().enumerate() {
            let (left, right) = split_merge(merge).ok_or_else(|| TokenizerError::BadMerge {
                index,
                text: String::from_utf8_lossy(merge).into_owned(),
            })?;
            whole.clear();
            whole.push_str(left);
            whole.push_str(right);
            let merged = pieces.intern(&whole);
            let pair = (pieces.intern(left), pieces.intern(right));
            by_pair.entry(pair).or_insert((index as u32, merged));
        }
        Ok(Self {
            pre_tokenizer,
            byte_pieces,
            merges: by_pair,
            tokens,
            no_tokens: pieces.no_tokens,
            whole_words,
        })
    }

    /// Appends the tokens of a text. Bytes that have no token are left out, as in llama.cpp.
    pub(super) fn encode(&self, text: &str, out: &mut Vec<u32>) {
        for word in self.pre_tokenizer.words(text) {
            if let Some(&id) = self.whole_words.get(word.as_bytes()) {
                out.push(id);
                continue;
            }
            let bytes = word.bytes().map(|byte| self.byte_pieces[usize::from(byte)]);
            for piece in merge_all(self, bytes) {
                self.emit(piece, out);
            }
        }
    }

    fn emit(&self, piece: u32, out: &mut Vec<u32>) {
        match piece.checked_sub(self.tokens) {
            None => out.push(piece),
            Some(index) => {
                let bytes = self.no_tokens.get(index as usize).into_iter().flatten();
                let pieces = bytes.map(|&byte| self.byte_pieces[usize::from(byte)]);
                out.extend(pieces.filter(|&piece| piece < self.tokens));
            }
        }
    }
}

impl Merges for Bpe {
    type Piece = u32;
    type Rank = u32;

    fn merge(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        self.merges.get(&(left, right)).copied()
    }
}

/// Numbers for the texts of pieces: tokens have their ids, others the numbers after.
struct Pieces<'v> {
    ids: &'v FastMap<&'v str, u32>,
    others: FastMap<String, u32>,
    tokens: u32,
    no_tokens: Vec<Vec<u8>>,
}

impl Pieces<'_> {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text).or_else(|| self.others.get(text)) {
            return id;
        }
        let id = self.tokens.saturating_add(self.no_tokens.len() as u32);
        self.others.insert(text.to_owned(), id);
        // A text outside the byte characters is never reached from a word.
        self.no_tokens
            .push(byte_chars::decode(text).unwrap_or_default());
        id
    }
}

/// The two sides of a merge. A piece may itself start with a space, so the first character never
/// separates.
fn split_merge(merge: &[u8]) -> Option<(&str, &str)> {
    let merge = std::str::from_utf8(merge).ok()?;
    let first = merge.chars().next()?.len_utf8();
    let space = first + merge.get(first..)?.find(' ')?;
    let (left, right) = (&merge[..space], &merge[space + 1..]);
    (!right.is_empty()).then_some((left, right))
}
