//! Tokens that are found in a text before it is split into words.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{SpecialText, TokenizerError};

/// A stretch of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragment<'t> {
    /// Still to be encoded.
    Text(&'t str),
    /// One token.
    Token(u32),
}

/// Finds special tokens in texts.
///
/// Where several could start at one place the longest wins, as in Hugging Face's tokenizers;
/// llama.cpp looks for one token after the other, longest first, which differs only where two
/// of them overlap without the same start.
#[derive(Debug)]
pub(super) struct SpecialMatcher {
    all: Set,
    user_defined: Set,
}

#[derive(Debug)]
struct Set {
    matcher: Option<AhoCorasick>,
    ids: Vec<u32>,
}

impl SpecialMatcher {
    /// `control` are found only where the caller parses special text, `user_defined` always.
    pub(super) fn new(
        control: &[(u32, &str)],
        user_defined: &[(u32, &str)],
    ) -> Result<Self, TokenizerError> {
        let all: Vec<_> = control.iter().chain(user_defined).copied().collect();
        Ok(Self {
            all: Set::new(&all)?,
            user_defined: Set::new(user_defined)?,
        })
    }

    /// Splits a text into what is a special token and what is not; nothing is lost, and no
    /// piece of text is empty.
    pub(super) fn split<'t>(&self, text: &'t str, special: SpecialText) -> Vec<Fragment<'t>> {
        match special {
            SpecialText::Parse => self.all.split(text),
            SpecialText::Literal => self.user_defined.split(text),
        }
    }
}

impl Set {
    fn new(tokens: &[(u32, &str)]) -> Result<Self, TokenizerError> {
        if tokens.is_empty() {
            return Ok(Self {
                matcher: None,
                ids: Vec::new(),
            });
        }
        let matcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // The automaton that stays linear in the size of what a file may hold.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(tokens.iter().map(|(_, text)| text))
            .map_err(|error| TokenizerError::SpecialTokens(error.to_string()))?;
        Ok(Self {
            matcher: Some(matcher),
            ids: tokens.iter().map(|&(id, _)| id).collect(),
        })
    }

    fn split<'t>(&self, text: &'t str) -> Vec<Fragment<'t>> {
        let mut fragments = Vec::new();
        let mut done = 0;
        for found in self
            .matcher
            .iter()
            .flat_map(|matcher| matcher.find_iter(text))
        {
            if found.start() > done {
                fragments.push(Fragment::Text(&text[done..found.start()]));
            }
            fragments.push(Fragment::Token(self.ids[found.pattern().as_usize()]));
            done = found.end();
        }
        if done < text.len() {
            fragments.push(Fragment::Text(&text[done..]));
        }
        fragments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_at_the_first_place_wins() {
        let matcher = SpecialMatcher::new(&[(1, "<s>"), (2, "<s><s>")], &[(3, "\n\n")]).unwrap();
        use Fragment::{Text, Token};
        assert_eq!(
            matcher.split("a<s><s><s>\n\n\nb", SpecialText::Parse),
            [Text("a"), Token(2), Token(1), Token(3), Text("\nb")]
        );
        assert_eq!(
            matcher.split("a<s>\n\n", SpecialText::Literal),
            [Text("a<s>"), Token(3)]
        );
        assert_eq!(matcher.split("", SpecialText::Parse), []);
    }
}
