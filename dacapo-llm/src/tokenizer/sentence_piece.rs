//! SentencePiece's BPE: the `llama` vocabularies of GGUF files, merged by score.

use std::cmp::Reverse;

use super::TokenizerError;
use super::merging::{Merges, merge_all};
use super::vocabulary::FastMap;

/// What SentencePiece writes a space as.
pub(super) const SPACE: char = '\u{2581}';

/// Encodes text that holds no special tokens.
#[derive(Debug)]
pub(super) struct SentencePiece {
    /// Tokens by their text.
    ids: FastMap<Box<str>, u32>,
    scores: Vec<f32>,
    longest: usize,
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
}

impl SentencePiece {
    /// `bytes` are the byte tokens; `scores` has one finite or infinite number for each token.
    pub(super) fn new(
        ids: &FastMap<&str, u32>,
        scores: Vec<f32>,
        mut bytes: [Option<u32>; 256],
        unknown: Option<u32>,
    ) -> Self {
        for (byte, id) in (0..=u8::MAX).zip(&mut bytes) {
            if byte.is_ascii() {
                *id = id.or_else(|| {
                    ids.get(char::from(byte).encode_utf8(&mut [0; 4]) as &str)
                        .copied()
                });
            }
        }
        let longest = ids.keys().map(|text| text.len()).max().unwrap_or(0);
        Self {
            ids: ids.iter().map(|(&text, &id)| (text.into(), id)).collect(),
            scores,
            longest,
            bytes,
            unknown,
        }
    }

    /// Appends the tokens of a text, spaces being written as [`SPACE`]; `prefix` puts one before.
    ///
    /// # Errors
    /// [`TokenizerError::Unencodable`] for a byte with neither a token nor an unknown token.
    pub(super) fn encode(
        &self,
        text: &str,
        prefix: bool,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let mut escaped = String::with_capacity(text.len() + text.len() / 4 + 3);
        if prefix {
            escaped.push(SPACE);
        }
        escaped.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));

        let starts: Vec<usize> = escaped.char_indices().map(|(start, _)| start).collect();
        let ends = starts.iter().skip(1).copied().chain([escaped.len()]);
        let chars: Vec<Span> = starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| Span { start, end })
            .collect();
        let merging = Merging {
            model: self,
            text: &escaped,
        };
        for Span { start, end } in merge_all(&merging, chars.into_iter()) {
            let piece = &escaped[start..end];
            match self.ids.get(piece) {
                Some(&id) => out.push(id),
                None => self.encode_bytes(piece, out)?,
            }
        }
        Ok(())
    }

    fn encode_bytes(&self, piece: &str, out: &mut Vec<u32>) -> Result<(), TokenizerError> {
        for byte in piece.bytes() {
            let id = self.bytes[usize::from(byte)].or(self.unknown);
            out.push(id.ok_or(TokenizerError::Unencodable { byte })?);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
struct Span {
    start: usize,
    end: usize,
}

struct Merging<'t> {
    model: &'t SentencePiece,
    text: &'t str,
}

impl Merges for Merging<'_> {
    type Piece = Span;
    type Rank = Reverse<Score>;

    fn merge(&self, left: Span, right: Span) -> Option<(Self::Rank, Span)> {
        let span = Span {
            start: left.start,
            end: right.end,
        };
        // Without this a long word would be hashed whole again and again.
        if span.end - span.start > self.model.longest {
            return None;
        }
        let id = *self.model.ids.get(&self.text[span.start..span.end])?;
        let score = Score(*self.model.scores.get(id as usize)?);
        Some((Reverse(score), span))
    }
}

/// A score that is a number; vocabularies with others are refused.
#[derive(Clone, Copy)]
struct Score(f32);

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Adding zero makes the two zeros equal.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}
