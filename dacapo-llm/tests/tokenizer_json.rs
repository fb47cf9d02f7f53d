//! `tokenizer.json` files against PyPI's `tokenizers`: ids and texts of tough strings.

use std::collections::BTreeMap;

use dacapo_llm::tokenizer::{AddSpecial, SpecialOutput, SpecialText, Tokenizer};
use serde::Deserialize;

/// Made by `scripts/fixtures/tokenizer_json.py`.
#[derive(Deserialize)]
struct Case {
    tokenizer: serde_json::Value,
    config: serde_json::Value,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    /// Special tokens found in the text, and those added that the model was trained with.
    parsed: Vec<u32>,
    /// Special tokens taken as text, and none added.
    literal: Vec<u32>,
    /// The second ids as text.
    decoded: String,
}

#[test]
fn ids_and_texts_are_those_of_the_python_package() {
    let cases: BTreeMap<String, Case> =
        serde_json::from_str(include_str!("data/tokenizer_json.json")).unwrap();
    assert_eq!(cases.len(), 2);
    for (name, case) in cases {
        let config = case.config.to_string();
        let tokenizer = Tokenizer::from_json(&case.tokenizer.to_string(), Some(&config)).unwrap();
        assert!(case.rows.len() > 50, "{name}: rows went missing");
        for row in case.rows {
            let encode = |add, special| tokenizer.encode(&row.text, add, special).unwrap();
            let parsed = encode(AddSpecial::AsTrained, SpecialText::Parse);
            assert_eq!(parsed, row.parsed, "{name} {:?}", row.text);
            let literal = encode(AddSpecial::Never, SpecialText::Literal);
            assert_eq!(literal, row.literal, "{name} {:?}", row.text);
            let decoded = tokenizer.decode(&literal, SpecialOutput::Show).unwrap();
            assert_eq!(decoded, row.decoded, "{name} {:?}", row.text);
        }
    }
}
