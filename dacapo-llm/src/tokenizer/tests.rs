use proptest::prelude::*;

use super::*;

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn bpe(tokens: &[&str], merges: &[&str]) -> GgufVocab {
    GgufVocab {
        model: "gpt2".into(),
        pre: Some("gpt-2".into()),
        tokens: bytes(tokens),
        merges: Some(bytes(merges)),
        ..GgufVocab::default()
    }
}

/// `<unk> <s> </s>`, all byte tokens, then the given tokens with their scores.
fn sentence_piece(tokens: &[(&str, f32)]) -> GgufVocab {
    let mut texts = bytes(&["<unk>", "<s>", "</s>"]);
    texts.extend((0..=255).map(|byte| format!("<0x{byte:02X}>").into_bytes()));
    texts.extend(tokens.iter().map(|(text, _)| text.as_bytes().to_vec()));
    let mut types = vec![2, 3, 3];
    types.extend([6; 256]);
    types.extend(vec![1; tokens.len()]);
    let mut scores = vec![0.0; 259];
    scores.extend(tokens.iter().map(|&(_, score)| score));
    GgufVocab {
        model: "llama".into(),
        tokens: texts,
        token_types: Some(types),
        scores: Some(scores),
        bos_id: Some(1),
        eos_id: Some(2),
        unk_id: Some(0),
        ..GgufVocab::default()
    }
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer
        .encode(text, AddSpecial::AsTrained, SpecialText::Parse)
        .unwrap()
}

#[test]
fn merges_through_pieces_that_are_no_tokens_end_as_bytes() {
    // "bc" is no token: what stays of it falls back to its bytes, as in llama.cpp.
    let tokens = ["a", "b", "c", "abc"];
    let tokenizer = Tokenizer::from_gguf(bpe(&tokens, &["b c", "a bc", "b c"])).unwrap();
    assert_eq!(encode(&tokenizer, "abc"), [3]);
    assert_eq!(encode(&tokenizer, "bc"), [1, 2]);
    // A byte without a token is left out.
    assert_eq!(encode(&tokenizer, "bxc"), [1, 2]);
}

#[test]
fn sentence_piece_merges_the_best_score_first_and_the_leftmost_of_equals() {
    let tokens = [
        ("\u{2581}", -9.0),
        ("a", -9.0),
        ("b", -9.0),
        ("ab", -2.0),
        ("ba", -1.0),
        ("\u{2581}a", -3.0),
        ("aa", -1.0),
    ];
    let tokenizer = Tokenizer::from_gguf(sentence_piece(&tokens)).unwrap();
    let [space, _a, b, ab, ba, space_a, aa] = std::array::from_fn(|i| 259 + i as u32);
    assert_eq!(encode(&tokenizer, ""), [1]);
    // "ba" (-1) before "ab" (-2); then " a" stays.
    assert_eq!(encode(&tokenizer, "aba"), [1, space_a, ba]);
    assert_eq!(encode(&tokenizer, "baaa"), [1, space, ba, aa]);
    assert_eq!(encode(&tokenizer, "b"), [1, space, b]);
    // A text starts afresh after a special token; bytes stand for characters without token.
    assert_eq!(encode(&tokenizer, "ab</s>ab"), [1, space, ab, 2, space, ab]);
    assert_eq!(encode(&tokenizer, "é"), [1, space, 3 + 0xC3, 3 + 0xA9]);
    let ids = encode(&tokenizer, "aba é");
    assert_eq!(
        tokenizer.decode(&ids, SpecialOutput::Skip).unwrap(),
        "aba é"
    );
    assert_eq!(tokenizer.end_of_generation(), [2]);
}

#[test]
fn bad_vocabularies_are_named() {
    use TokenizerError as E;
    let error = |vocab| Tokenizer::from_gguf(vocab).unwrap_err();
    let good = || sentence_piece(&[("a", 0.0)]);

    assert!(matches!(
        error(GgufVocab::default()),
        E::VocabularySize { tokens: 0 }
    ));
    assert!(matches!(
        error(bpe(&["a", "b", "a"], &[])),
        E::DuplicateToken {
            first: 0,
            second: 2,
            ..
        }
    ));
    assert!(matches!(
        error(bpe(&["a"], &["ab"])),
        E::BadMerge { index: 0, .. }
    ));
    assert!(matches!(
        error(bpe(&["a"], &["a "])),
        E::BadMerge { index: 0, .. }
    ));
    assert!(matches!(
        error(bpe(&["a"], &[""])),
        E::BadMerge { index: 0, .. }
    ));
    let broken = GgufVocab {
        merges: None,
        ..bpe(&["a"], &[])
    };
    assert!(matches!(error(broken), E::Missing { what: "merges", .. }));
    let broken = GgufVocab {
        pre: Some("new-one".into()),
        ..bpe(&["a"], &[])
    };
    let message = error(broken).to_string();
    assert!(
        message.contains("new-one") && message.contains("llama-bpe"),
        "{message}"
    );
    let broken = GgufVocab {
        model: "bert".into(),
        ..bpe(&["a"], &[])
    };
    assert!(matches!(error(broken), E::UnknownModel { .. }));
    let broken = GgufVocab {
        tokens: vec![vec![0xFF]],
        ..bpe(&[], &[])
    };
    assert!(matches!(error(broken), E::TokenNotUtf8 { id: 0 }));
    let broken = GgufVocab {
        bos_id: Some(1),
        ..bpe(&["a"], &[])
    };
    assert!(matches!(
        error(broken),
        E::SpecialOutOfRange {
            what: "bos",
            id: 1,
            tokens: 1
        }
    ));
    let broken = GgufVocab {
        add_bos: Some(true),
        ..bpe(&["a"], &[])
    };
    assert!(matches!(error(broken), E::SpecialMissing { what: "bos" }));
    let broken = GgufVocab {
        token_types: Some(vec![1, 1]),
        ..bpe(&["a"], &[])
    };
    assert!(matches!(
        error(broken),
        E::CountMismatch {
            what: "token types",
            found: 2,
            tokens: 1
        }
    ));

    assert!(matches!(
        error(GgufVocab {
            scores: None,
            ..good()
        }),
        E::Missing { .. }
    ));
    assert!(matches!(
        error(GgufVocab {
            scores: Some(vec![]),
            ..good()
        }),
        E::CountMismatch { .. }
    ));
    assert!(matches!(
        error(sentence_piece(&[("a", f32::NAN)])),
        E::ScoreNan { id: 259 }
    ));
    let mut broken = good();
    broken.tokens[3] = b"<0x+0>".to_vec();
    assert!(matches!(error(broken), E::BadByteToken { id: 3, .. }));
}

#[test]
fn bytes_without_any_token_are_an_error() {
    let vocab = GgufVocab {
        token_types: None,
        unk_id: None,
        bos_id: None,
        tokens: bytes(&["a"]),
        scores: Some(vec![0.0]),
        add_space_prefix: Some(false),
        eos_id: None,
        ..sentence_piece(&[])
    };
    let tokenizer = Tokenizer::from_gguf(vocab).unwrap();
    let error = tokenizer
        .encode("ab", AddSpecial::Never, SpecialText::Literal)
        .unwrap_err();
    assert!(matches!(error, TokenizerError::Unencodable { byte: b'b' }));
    assert!(matches!(
        tokenizer.decode(&[1], SpecialOutput::Show),
        Err(TokenizerError::IdOutOfRange { id: 1, tokens: 1 })
    ));
}

#[test]
fn a_stream_gives_characters_as_soon_as_they_are_whole() {
    let tokenizer = Tokenizer::from_gguf(sentence_piece(&[("a", 0.0)])).unwrap();
    let mut stream = tokenizer.decode_stream(SpecialOutput::Skip);
    let byte = |byte: u8| 3 + u32::from(byte);
    // "é" in two tokens, a control token between, then the beginning of "語".
    assert_eq!(stream.push(byte(0xC3)).unwrap(), "");
    assert_eq!(stream.push(2).unwrap(), "");
    assert_eq!(stream.push(byte(0xA9)).unwrap(), "é");
    assert_eq!(stream.push(259).unwrap(), "a");
    assert!(stream.push(9999).is_err());
    assert_eq!(stream.push(byte(0xE8)).unwrap(), "");
    assert_eq!(stream.push(byte(0xAA)).unwrap(), "");
    assert_eq!(stream.finish(), "\u{FFFD}");
}

proptest! {
    /// Any bytes, valid or not: the stream gives what the standard library makes of the whole.
    #[test]
    fn a_stream_loses_and_repeats_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let tokenizer = Tokenizer::from_gguf(sentence_piece(&[])).unwrap();
        let mut stream = tokenizer.decode_stream(SpecialOutput::Show);
        let mut text = String::new();
        for &byte in &bytes {
            text += &stream.push(3 + u32::from(byte)).unwrap();
        }
        text += &stream.finish();
        prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    }
}

/// The ids follow from the merges written in the file.
#[test]
fn tokenizer_json_runs_through_the_crate() {
    let json = r#"{"version": "1.0", "added_tokens": [
        {"id": 5, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        {"id": 6, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "truncation": null, "padding": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġab": 4, "<s>": 5, "</s>": 6, "<": 7, "s": 8, ">": 9}, "merges": ["a b", "Ġ ab"]}}"#;
    let config = r#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>"}"#;
    let tokenizer = Tokenizer::from_json(json, Some(config)).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(5), Some(6)));
    assert!(tokenizer.adds_bos() && !tokenizer.adds_eos());
    assert_eq!(tokenizer.end_of_generation(), [6]);
    assert_eq!(tokenizer.vocabulary_size(), 10);
    assert_eq!(encode(&tokenizer, "ab ab<s>"), [5, 2, 4, 5]);
    let literal = tokenizer
        .encode("ab<s>", AddSpecial::Never, SpecialText::Literal)
        .unwrap();
    assert_eq!(literal, [2, 7, 8, 9]);
    assert_eq!(tokenizer.token_bytes(4).unwrap(), b" ab");
    assert_eq!(
        tokenizer.decode(&[5, 4, 2], SpecialOutput::Skip).unwrap(),
        " abab"
    );
    for broken in [
        "",
        "{}",
        "[]",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
    ] {
        assert!(Tokenizer::from_json(broken, None).is_err(), "{broken}");
    }
    assert!(matches!(
        Tokenizer::from_json(json, Some("{")),
        Err(TokenizerError::Json {
            file: "tokenizer_config.json",
            ..
        })
    ));
}
