//! A vocabulary from outside either is an error or encodes and decodes any text without a panic,
//! to ids that it has.
//!
//! Input: a byte of flags and one of token types; then tokens, merges and a text, with 0xFF
//! between the three and 0x00 between tokens and between merges.
#![no_main]

use dacapo_llm::tokenizer::{
    AddSpecial, GgufVocab, SpecialOutput, SpecialText, Tokenizer, TokenizerError,
};
use libfuzzer_sys::fuzz_target;

const PRE: [&str; 8] =
    ["default", "gpt-2", "llama-bpe", "qwen2", "smollm", "tekken", "deepseek-llm", "deepseek-v3"];

fuzz_target!(|data: &[u8]| {
    let [flags, types, rest @ ..] = data else { return };
    let mut sections = rest.splitn(3, |&byte| byte == 0xFF);
    let mut section = || sections.next().unwrap_or_default();
    let items = |section: &[u8]| -> Vec<Vec<u8>> {
        section.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
    };
    let (tokens, merges) = (items(section()), items(section()));
    let text = String::from_utf8_lossy(section()).into_owned();
    let count = tokens.len();
    let role = |bit: u8| (flags >> bit & 1 == 1).then_some(u32::from(types % 8));
    let vocab = GgufVocab {
        model: if flags & 1 == 1 { "llama" } else { "gpt2" }.to_owned(),
        pre: Some(PRE[usize::from(types % 8)].to_owned()),
        scores: Some(tokens.iter().map(|t| t.iter().map(|&b| f32::from(b)).sum()).collect()),
        token_types: Some((0..count).map(|i| i32::from(types.rotate_left(i as u32) % 8)).collect()),
        tokens,
        merges: Some(merges),
        bos_id: role(1),
        eos_id: role(2),
        unk_id: role(3),
        add_bos: (flags & 16 != 0).then_some(flags & 32 != 0),
        add_space_prefix: Some(flags & 64 != 0),
        ..GgufVocab::default()
    };
    let Ok(tokenizer) = Tokenizer::from_gguf(vocab) else { return };
    for special in [SpecialText::Parse, SpecialText::Literal] {
        let ids = match tokenizer.encode(&text, AddSpecial::AsTrained, special) {
            Ok(ids) => ids,
            Err(TokenizerError::Unencodable { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocabulary_size()));
        let whole = tokenizer.decode(&ids, SpecialOutput::Show).expect("own ids decode");
        let mut stream = tokenizer.decode_stream(SpecialOutput::Show);
        let mut streamed: String =
            ids.iter().map(|&id| stream.push(id).expect("own ids stream")).collect();
        streamed += &stream.finish();
        assert!(streamed.len() >= whole.len() && streamed.len() - whole.len() <= 1);
    }
});
