//! `tokenizer.json`, through the `tokenizers` crate.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::gguf::byte_token;
use super::sentence_piece::SPACE;
use super::vocabulary::{Roles, TokenKind, Vocabulary};
use super::{AddSpecial, Encoder, MAX_TOKENS, SpecialText, Tokenizer, TokenizerError, byte_chars};

/// The crate's tokenizer, which parses special tokens in a text or not by a setting.
#[derive(Debug)]
pub(super) struct JsonPipeline {
    parsing: tokenizers::Tokenizer,
    /// The same with the other setting, made when first asked for.
    literal: OnceLock<tokenizers::Tokenizer>,
}

impl JsonPipeline {
    pub(super) fn encode(
        &self,
        text: &str,
        add: AddSpecial,
        special: SpecialText,
    ) -> Result<Vec<u32>, TokenizerError> {
        let tokenizer = match special {
            SpecialText::Parse => &self.parsing,
            SpecialText::Literal => self.literal.get_or_init(|| {
                let mut tokenizer = self.parsing.clone();
                tokenizer.set_encode_special_tokens(true);
                tokenizer
            }),
        };
        let encoding = tokenizer
            .encode_fast(text, add == AddSpecial::AsTrained)
            .map_err(|error| TokenizerError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// The parts of `tokenizer_config.json` that matter here.
#[derive(Default, Deserialize)]
struct Config {
    bos_token: Option<Value>,
    eos_token: Option<Value>,
    unk_token: Option<Value>,
    pad_token: Option<Value>,
}

pub(super) fn build(json: &str, config: Option<&str>) -> Result<Tokenizer, TokenizerError> {
    let mut parsing = json
        .parse::<tokenizers::Tokenizer>()
        .map_err(|error| malformed("tokenizer.json", error))?;
    // A model's context decides how long a text may be, and batches are not padded here.
    parsing
        .with_truncation(None)
        .map_err(|error| malformed("tokenizer.json", error))?;
    parsing.with_padding(None);
    let config: Config = match config {
        Some(text) => {
            serde_json::from_str(text).map_err(|e| malformed("tokenizer_config.json", e))?
        }
        None => Config::default(),
    };

    let mut vocabulary = vocabulary(&parsing)?;
    let id_of = |token: &Option<Value>| parsing.token_to_id(token_text(token.as_ref()?)?);
    let empty = parsing
        .encode_fast("", true)
        .map_err(|error| TokenizerError::Encode(error.to_string()))?;
    let around = empty.get_ids();
    let bos = id_of(&config.bos_token);
    let eos = id_of(&config.eos_token);
    let roles = Roles {
        bos,
        eos,
        eot: None,
        unk: id_of(&config.unk_token),
        pad: id_of(&config.pad_token),
        add_bos: bos.is_some() && around.first() == bos.as_ref(),
        add_eos: eos.is_some() && around.last() == eos.as_ref(),
    };
    vocabulary.set_roles(roles, |text| parsing.token_to_id(text))?;
    let pipeline = JsonPipeline {
        parsing,
        literal: OnceLock::new(),
    };
    Ok(Tokenizer {
        vocabulary,
        encoder: Encoder::Json(Box::new(pipeline)),
    })
}

/// The bytes of every token, by the two ways of writing bytes that decoders know.
fn vocabulary(tokenizer: &tokenizers::Tokenizer) -> Result<Vocabulary, TokenizerError> {
    let tokens = tokenizer.get_vocab(true);
    // Ids may have gaps, which count as unused tokens.
    let size = tokens.values().max().map_or(0, |&last| last as usize + 1);
    if size == 0 || size > MAX_TOKENS {
        return Err(TokenizerError::VocabularySize { tokens: size });
    }
    let mut texts: Vec<Option<&str>> = vec![None; size];
    for (text, &id) in &tokens {
        texts[id as usize] = Some(text);
    }
    let byte_level = tokenizer
        .get_decoder()
        .and_then(|decoder| serde_json::to_value(decoder).ok())
        .is_some_and(|decoder| mentions(&decoder, "ByteLevel"));
    let added = tokenizer.get_added_tokens_decoder();

    let mut vocabulary = Vocabulary::with_capacity(size);
    for (id, text) in (0..).zip(texts) {
        match (added.get(&id), text) {
            (Some(token), _) => {
                let kind = if token.special {
                    TokenKind::Control
                } else {
                    TokenKind::UserDefined
                };
                vocabulary.push(token.content.as_bytes(), kind);
            }
            (None, None) => vocabulary.push(&[], TokenKind::Unused),
            (None, Some(text)) if byte_level => {
                let bytes = byte_chars::decode(text);
                vocabulary.push(
                    bytes.as_deref().unwrap_or(text.as_bytes()),
                    TokenKind::Normal,
                );
            }
            (None, Some(text)) => match byte_token(text) {
                Some(byte) => vocabulary.push(&[byte], TokenKind::Byte),
                None => vocabulary.push(text.replace(SPACE, " ").as_bytes(), TokenKind::Normal),
            },
        }
    }
    vocabulary.space_prefix = !byte_level;
    Ok(vocabulary)
}

/// Whether a JSON value has an object with this `type`, at any depth.
fn mentions(value: &Value, kind: &str) -> bool {
    match value {
        Value::Object(fields) => {
            fields.get("type").is_some_and(|found| found == kind)
                || fields.values().any(|field| mentions(field, kind))
        }
        Value::Array(items) => items.iter().any(|item| mentions(item, kind)),
        _ => false,
    }
}

/// A token in `tokenizer_config.json` is a string, or an object with its `content`.
fn token_text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

fn malformed(file: &'static str, error: impl std::fmt::Display) -> TokenizerError {
    TokenizerError::Json {
        file,
        reason: error.to_string(),
    }
}
