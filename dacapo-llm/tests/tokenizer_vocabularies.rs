//! Token ids against llama.cpp's, for the vocabulary files of its source package and for the
//! default model; both are in dacapo's cache folder (`scripts/fetch-vocabs.py`, `scripts/fetch-model`).

#[path = "common/cache.rs"]
mod cache;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use dacapo_llm::gguf::GgufFile;
use dacapo_llm::tokenizer::{AddSpecial, GgufVocab, SpecialOutput, SpecialText, Tokenizer};
use serde::Deserialize;

/// Made by `scripts/fixtures/tokenizer_ids.py`.
#[derive(Deserialize)]
struct Fixture {
    texts: Vec<String>,
    /// For each text the ids with special tokens parsed and, where they differ, as text.
    vocabularies: BTreeMap<String, Vec<Vec<Vec<u32>>>>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("data/tokenizer_ids.json")).unwrap()
}

/// Where the vocabularies of the fixture are, all or none of them.
fn paths(fixture: &Fixture) -> Vec<(&str, PathBuf)> {
    let (Some(folder), Some(model)) = (cache::vocabularies(), cache::default_model()) else {
        return Vec::new();
    };
    let names = fixture.vocabularies.keys().map(String::as_str);
    names
        .map(|name| match name {
            "smollm2-135m-instruct" => (name, model.clone()),
            _ => (name, folder.join(format!("ggml-vocab-{name}.gguf"))),
        })
        .collect()
}

fn load(path: &PathBuf) -> Tokenizer {
    let file = GgufFile::open(path).unwrap();
    let vocab = GgufVocab::from_metadata(file.header().metadata()).unwrap();
    Tokenizer::from_gguf(vocab).unwrap()
}

#[test]
fn ids_are_those_of_llama_cpp() {
    let fixture = fixture();
    let mut wrong = Vec::new();
    for (name, path) in paths(&fixture) {
        let expected = &fixture.vocabularies[name];
        let file = GgufFile::open(&path).unwrap();
        let vocab = GgufVocab::from_metadata(file.header().metadata()).unwrap();
        let tokenizer = match Tokenizer::from_gguf(vocab) {
            Ok(tokenizer) => tokenizer,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        for (text, ids) in fixture.texts.iter().zip(expected) {
            for (special, expected) in [
                (SpecialText::Parse, &ids[0]),
                (SpecialText::Literal, ids.last().unwrap()),
            ] {
                // llama.cpp drops spaces after control tokens for models with this name alone.
                if name == "phi-3" && text == "<s> </s> <unk>" && special == SpecialText::Parse {
                    continue;
                }
                let found = tokenizer
                    .encode(text, AddSpecial::AsTrained, special)
                    .unwrap();
                if found != *expected {
                    wrong.push(format!(
                        "{name} {special:?} {text:?}\n  {found:?}\n  {expected:?}"
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn decoding_gives_the_text_back() {
    let fixture = fixture();
    for (name, path) in paths(&fixture) {
        let tokenizer = load(&path);
        for text in &fixture.texts {
            let ids = tokenizer
                .encode(text, AddSpecial::Never, SpecialText::Literal)
                .unwrap();
            let decoded = tokenizer.decode(&ids, SpecialOutput::Show).unwrap();
            // SentencePiece has no way to tell a space from the character it writes for one.
            let spaces = |text: &str| text.replace('\u{2581}', " ");
            assert_eq!(spaces(&decoded), spaces(text), "{name}");
        }
    }
}

/// A megabyte of each shape: anything quadratic would take hours.
#[test]
fn time_is_linear_in_the_text() {
    let Some(path) = cache::default_model() else {
        return;
    };
    let tokenizer = load(&path);
    let units = [
        "The quick brown fox, 123 times. ",
        "a",
        " ",
        "\n",
        "9",
        "!",
        "é",
        "ab\t\t",
        "🦙",
    ];
    for unit in units {
        let text = unit.repeat((1 << 20) / unit.len());
        let start = Instant::now();
        let ids = tokenizer
            .encode(&text, AddSpecial::Never, SpecialText::Parse)
            .unwrap();
        let seconds = start.elapsed().as_secs();
        assert!(seconds < 20, "{unit:?}: {} ids in {seconds} s", ids.len());
    }
}
