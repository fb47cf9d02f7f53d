//! From the metadata of a GGUF file to a tokenizer.

use std::borrow::Cow;

use super::bpe::Bpe;
use super::pre_tokenizer::PreTokenizer;
use super::sentence_piece::{SPACE, SentencePiece};
use super::special::SpecialMatcher;
use super::vocabulary::{FastMap, Roles, TokenKind, Vocabulary};
use super::{Encoder, GgufVocab, MAX_TOKENS, Tokenizer, TokenizerError, byte_chars};

pub(super) fn build(vocab: GgufVocab) -> Result<Tokenizer, TokenizerError> {
    let tokens = vocab.tokens.len();
    if tokens == 0 || tokens > MAX_TOKENS {
        return Err(TokenizerError::VocabularySize { tokens });
    }
    let kinds = kinds(&vocab)?;
    match vocab.model.as_str() {
        "llama" => sentence_piece(vocab, &kinds),
        "gpt2" => bpe(vocab, &kinds),
        _ => Err(TokenizerError::UnknownModel { found: vocab.model }),
    }
}

fn bpe(vocab: GgufVocab, kinds: &[TokenKind]) -> Result<Tokenizer, TokenizerError> {
    let pre = vocab.pre.as_deref().unwrap_or_else(|| {
        tracing::warn!("the file names no pre-tokenizer: words are cut by the default one, which may not be the model's");
        "default"
    });
    let pre_tokenizer = PreTokenizer::named(pre)?;
    let merges = vocab.merges.as_deref().ok_or(TokenizerError::Missing {
        model: "gpt2",
        what: "merges",
    })?;
    let roles = roles(&vocab, pre_tokenizer.add_bos && vocab.bos_id.is_some());
    let texts = texts(&vocab.tokens)?;

    let mut vocabulary = Vocabulary::with_capacity(texts.len());
    for (text, &kind) in texts.iter().zip(kinds) {
        let bytes = match kind {
            TokenKind::Normal | TokenKind::Byte | TokenKind::Unused => byte_chars::decode(text),
            _ => None,
        };
        vocabulary.push(bytes.as_deref().unwrap_or(text.as_bytes()), kind);
    }
    let ids = index(&texts)?;
    vocabulary.set_roles(roles, |text| ids.get(text).copied())?;
    let matcher = matcher(&texts, &vocabulary)?;
    let bpe = Bpe::new(pre_tokenizer, &ids, merges)?;
    Ok(Tokenizer {
        vocabulary,
        encoder: Encoder::Bpe(matcher, Box::new(bpe)),
    })
}

fn sentence_piece(vocab: GgufVocab, kinds: &[TokenKind]) -> Result<Tokenizer, TokenizerError> {
    let tokens = vocab.tokens.len();
    let roles = roles(&vocab, vocab.bos_id.is_some());
    let scores = vocab.scores.ok_or(TokenizerError::Missing {
        model: "llama",
        what: "scores",
    })?;
    check_count("scores", scores.len(), tokens)?;
    if let Some(id) = scores.iter().position(|score| score.is_nan()) {
        return Err(TokenizerError::ScoreNan { id: id as u32 });
    }
    let texts = texts(&vocab.tokens)?;

    let mut vocabulary = Vocabulary::with_capacity(tokens);
    let mut bytes = [None; 256];
    for (id, (text, &kind)) in (0..).zip(texts.iter().zip(kinds)) {
        match kind {
            TokenKind::Byte => {
                let byte = byte_token(text).ok_or_else(|| TokenizerError::BadByteToken {
                    id,
                    text: text.to_string(),
                })?;
                bytes[usize::from(byte)] = Some(id);
                vocabulary.push(&[byte], kind);
            }
            TokenKind::Normal => {
                vocabulary.push(text.replace(SPACE, " ").as_bytes(), kind);
            }
            _ => vocabulary.push(text.as_bytes(), kind),
        }
    }
    vocabulary.space_prefix = vocab.add_space_prefix.unwrap_or(true);
    let ids = index(&texts)?;
    vocabulary.set_roles(roles, |text| ids.get(text).copied())?;
    let matcher = matcher(&texts, &vocabulary)?;
    let pieces = SentencePiece::new(&ids, scores, bytes, roles.unk);
    Ok(Tokenizer {
        vocabulary,
        encoder: Encoder::SentencePiece(matcher, Box::new(pieces)),
    })
}

fn kinds(vocab: &GgufVocab) -> Result<Vec<TokenKind>, TokenizerError> {
    let tokens = vocab.tokens.len();
    match &vocab.token_types {
        None => Ok(vec![TokenKind::Normal; tokens]),
        Some(types) => {
            check_count("token types", types.len(), tokens)?;
            Ok(types
                .iter()
                .map(|&number| TokenKind::from_gguf(number))
                .collect())
        }
    }
}

fn check_count(what: &'static str, found: usize, tokens: usize) -> Result<(), TokenizerError> {
    if found == tokens {
        Ok(())
    } else {
        Err(TokenizerError::CountMismatch {
            what,
            found,
            tokens,
        })
    }
}

fn roles(vocab: &GgufVocab, add_bos: bool) -> Roles {
    Roles {
        bos: vocab.bos_id,
        eos: vocab.eos_id,
        eot: vocab.eot_id,
        unk: vocab.unk_id,
        pad: vocab.pad_id,
        add_bos: vocab.add_bos.unwrap_or(add_bos),
        add_eos: vocab.add_eos.unwrap_or(false),
    }
}

/// The texts of all tokens; empty ones, which some files use as padding, get a name of their own
/// as in llama.cpp.
fn texts<'t>(tokens: &'t [Vec<u8>]) -> Result<Vec<Cow<'t, str>>, TokenizerError> {
    let text = |(id, bytes): (u32, &'t Vec<u8>)| match std::str::from_utf8(bytes) {
        Ok("") => Ok(format!("[EMPTY_{id}]").into()),
        Ok(text) => Ok(text.into()),
        Err(_) => Err(TokenizerError::TokenNotUtf8 { id }),
    };
    (0..).zip(tokens).map(text).collect()
}

fn index<'t>(texts: &'t [Cow<'_, str>]) -> Result<FastMap<&'t str, u32>, TokenizerError> {
    let mut ids = FastMap::with_capacity_and_hasher(texts.len(), Default::default());
    for (id, text) in (0..).zip(texts) {
        if let Some(first) = ids.insert(text.as_ref(), id) {
            return Err(TokenizerError::DuplicateToken {
                first,
                second: id,
                text: text.to_string(),
            });
        }
    }
    Ok(ids)
}

fn matcher(
    texts: &[Cow<'_, str>],
    vocabulary: &Vocabulary,
) -> Result<SpecialMatcher, TokenizerError> {
    let of_kind = |wanted: fn(TokenKind) -> bool| -> Vec<(u32, &str)> {
        let all = (0..)
            .zip(texts)
            .filter(|&(id, _)| vocabulary.kind(id).is_some_and(wanted));
        all.map(|(id, text)| (id, text.as_ref())).collect()
    };
    SpecialMatcher::new(
        &of_kind(|kind| matches!(kind, TokenKind::Control | TokenKind::Unknown)),
        &of_kind(|kind| kind == TokenKind::UserDefined),
    )
}

/// The byte of a token written `<0xHH>`.
pub(super) fn byte_token(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let valid = hex.len() == 2 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    valid.then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}
