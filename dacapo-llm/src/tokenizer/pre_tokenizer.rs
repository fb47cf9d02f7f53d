//! Cutting a text into the words that byte-level BPE merges within.
//!
//! Every pre-tokenizer is one or more patterns; each cuts the pieces that the one before left,
//! and what lies between two matches is a piece too. The patterns are those of the models'
//! `tokenizer.json` files, under the names that llama.cpp gives them in `tokenizer.ggml.pre`.
//!
//! The published patterns end in `\s+(?!\S)|\s+`: a run of whitespace leaves its last character
//! to the word that follows. Look-ahead needs a backtracking matcher, whose steps have to be
//! limited, and which then loses text. Here the patterns end in `\s+` and [`words`] gives the
//! last character back, so that the `regex` crate matches in linear time without limits.
//!
//! [`words`]: PreTokenizer::words

use regex::Regex;

use super::TokenizerError;
use super::deepseek_patterns::{CJK, DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const LLAMA3: &str = r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN2: &str = r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN35: &str = r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?:'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+"##;

/// What the patterns that treat line ends apart have in them.
const LINE_END: &str = r"\s*[\r\n]+";

/// A pre-tokenizer by its names.
struct Kind {
    names: &'static [&'static str],
    patterns: &'static [&'static str],
    /// Whether a word that is itself a token is taken whole, whatever the merges would make.
    whole_words: bool,
    /// Whether texts start with the start token unless the file says otherwise.
    add_bos: bool,
}

const fn kind(names: &'static [&'static str], patterns: &'static [&'static str]) -> Kind {
    Kind {
        names,
        patterns,
        whole_words: false,
        add_bos: false,
    }
}

const KINDS: &[Kind] = &[
    kind(
        &["default"],
        &[r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    ),
    kind(
        &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
        ],
        &[GPT2],
    ),
    kind(
        &[
            "starcoder",
            "refact",
            "command-r",
            "smollm",
            "codeshell",
            "exaone",
            "minerva-7b",
        ],
        &[r"\p{N}", GPT2],
    ),
    kind(
        &["falcon"],
        &[r"[\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"],
    ),
    Kind {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "lfm2",
        ],
        patterns: &[LLAMA3],
        whole_words: true,
        add_bos: true,
    },
    kind(&["dbrx", "smaug-bpe", "chatglm-bpe"], &[LLAMA3]),
    kind(
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "stablelm2",
            "hunyuan",
            "megrez",
            "grok-2",
        ],
        &[QWEN2],
    ),
    kind(&["qwen35"], &[QWEN35]),
    Kind {
        names: &["tekken"],
        patterns: &[TEKKEN],
        whole_words: true,
        add_bos: true,
    },
    kind(&["gpt-4o", "llama4"], &[GPT4O]),
    kind(
        &["deepseek-llm"],
        &[
            r"[\r\n]",
            DEEPSEEK_LETTERS,
            DEEPSEEK_PUNCTUATION,
            r"\s+$",
            CJK,
            r"\p{N}+",
        ],
    ),
    kind(
        &["deepseek-coder"],
        &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    ),
    kind(
        &["deepseek-v3", "hunyuan-dense"],
        &[r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3],
    ),
    kind(
        &["bloom", "poro-chat", "gpt3-finnish"],
        &[r" ?[^(\s|.,!?…。，、।۔،)]+"],
    ),
    kind(&["viking"], &[r" ?[^(\s|.,!?…。，、।۔،)]+", r"\p{N}"]),
];

/// Cuts texts into words.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    patterns: Vec<Regex>,
    pub(super) whole_words: bool,
    pub(super) add_bos: bool,
}

impl PreTokenizer {
    /// The pre-tokenizer of a name in `tokenizer.ggml.pre`.
    pub(super) fn named(name: &str) -> Result<Self, TokenizerError> {
        let kind = KINDS
            .iter()
            .find(|kind| kind.names.contains(&name))
            .ok_or_else(|| {
                let mut known: Vec<_> = KINDS.iter().flat_map(|kind| kind.names).copied().collect();
                known.sort_unstable();
                TokenizerError::UnknownPreTokenizer {
                    found: name.to_owned(),
                    known,
                }
            })?;
        let patterns = kind.patterns.iter().map(|pattern| {
            Regex::new(pattern).map_err(|error| TokenizerError::Encode(error.to_string()))
        });
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            whole_words: kind.whole_words,
            add_bos: kind.add_bos,
        })
    }

    /// The words of a text, in order; put together they are the text.
    pub(super) fn words<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut pieces = vec![text];
        for pattern in &self.patterns {
            let mut finer = Vec::with_capacity(pieces.len());
            for piece in pieces {
                cut(pattern, piece, &mut finer);
            }
            pieces = finer;
        }
        pieces
    }
}

fn cut<'t>(pattern: &Regex, piece: &'t str, words: &mut Vec<&'t str>) {
    let lines = pattern.as_str().contains(LINE_END);
    let mut done = 0;
    while let Some(found) = pattern.find_at(piece, done) {
        // No pattern matches nothing; were one to, the rest stays whole instead of looping.
        if found.is_empty() {
            break;
        }
        if found.start() > done {
            words.push(&piece[done..found.start()]);
        }
        let kept = without_last_space(found.as_str(), found.end() == piece.len(), lines);
        words.push(kept);
        done = found.start() + kept.len();
    }
    if done < piece.len() {
        words.push(&piece[done..]);
    }
}

/// A run of two or more whitespace characters before a word leaves the last to the word, unless
/// the run was matched as the end of a line, where `lines` says that the pattern knows lines.
fn without_last_space(word: &str, ends_piece: bool, lines: bool) -> &str {
    if ends_piece || (lines && word.ends_with(['\r', '\n'])) {
        return word;
    }
    // Looking at the last character first keeps this cheap for most words.
    match word.char_indices().next_back() {
        Some((last, c)) if last > 0 && c.is_whitespace() && word.trim_start().is_empty() => {
            &word[..last]
        }
        _ => word,
    }
}
