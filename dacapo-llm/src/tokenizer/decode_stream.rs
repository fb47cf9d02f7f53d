//! Text from tokens that arrive one by one.

use super::vocabulary::Vocabulary;
use super::{SpecialOutput, TokenizerError};

/// Turns a stream of token ids into text, giving out each character as soon as it is complete.
///
/// A token may end in the middle of a character; such bytes wait for the next token. Bytes that
/// can never become a character turn into U+FFFD, exactly as [`String::from_utf8_lossy`] does
/// over the whole: what all [`push`](Self::push)es and the final [`finish`](Self::finish) give,
/// put together, is the lossy text of all bytes.
///
/// The stream continues a text: unlike [`Tokenizer::decode`](super::Tokenizer::decode) it keeps
/// a leading space.
#[derive(Debug)]
pub struct DecodeStream<'t> {
    vocabulary: &'t Vocabulary,
    special: SpecialOutput,
    pending: Vec<u8>,
}

impl<'t> DecodeStream<'t> {
    pub(super) fn new(vocabulary: &'t Vocabulary, special: SpecialOutput) -> Self {
        Self {
            vocabulary,
            special,
            pending: Vec::new(),
        }
    }

    /// Takes the next token and returns the text that is now known; often one word, sometimes
    /// nothing.
    ///
    /// # Errors
    /// [`TokenizerError::IdOutOfRange`]; the stream is then as it was before.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        let (Some(bytes), Some(kind)) = (self.vocabulary.bytes(id), self.vocabulary.kind(id))
        else {
            return Err(self.vocabulary.out_of_range(id));
        };
        if self.special == SpecialOutput::Skip && kind.is_hidden() {
            return Ok(String::new());
        }
        self.pending.extend_from_slice(bytes);
        Ok(self.take_complete())
    }

    /// Ends the text: what still waits can no longer become a character, and is replaced.
    #[must_use]
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }

    fn take_complete(&mut self) -> String {
        let mut text = String::with_capacity(self.pending.len());
        let mut done = 0;
        while done < self.pending.len() {
            let rest = &self.pending[done..];
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    done = self.pending.len();
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(std::str::from_utf8(&rest[..valid]).unwrap_or_default());
                    done += valid;
                    let Some(invalid) = error.error_len() else {
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    done += invalid;
                }
            }
        }
        self.pending.drain(..done);
        text
    }
}
