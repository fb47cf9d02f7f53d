//! The default model against the numpy f64 reference: logits, greedy text, perplexity.

mod common;

use common::{
    Reference, argmax, cosine, cpu, data, default_model, fast_devices, load, log_probability,
    session,
};
use dacapo_llm::{Sampling, Session, SessionOptions};
use half::f16;
use serde::Deserialize;

const COSINE: f64 = 0.9995;
/// Where the reference's best logit is this far above the second, ours must agree. SmolLM2's logits span some 20.
const MARGIN: f32 = 0.3;

#[derive(Deserialize)]
struct DecodeReference {
    #[serde(flatten)]
    reference: Reference,
    /// The positions whose full logits are stored.
    logits_positions: Vec<usize>,
}

#[derive(Deserialize)]
struct ChatReference {
    prompt: Vec<u32>,
    answer_ids: Vec<u32>,
    margin: Vec<f32>,
}

#[derive(Deserialize)]
struct PerplexityReference {
    ids: Vec<u32>,
    results: Vec<PerplexityResult>,
}

#[derive(Deserialize)]
struct PerplexityResult {
    window: usize,
    windows: Vec<Window>,
}

#[derive(Deserialize)]
struct Window {
    tokens: usize,
    nll_sum: f64,
}

/// Windows that are scored here: all of them would take a minute in a debug build.
const WINDOWS: usize = 3;

fn json<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(data("smollm2").join(name)).unwrap()).unwrap()
}

#[test]
fn logits_agree_in_prefill_and_in_decode() {
    let Some(path) = default_model() else { return };
    let DecodeReference {
        reference,
        logits_positions,
    } = json("decode.json");
    let bytes = std::fs::read(data("smollm2").join(&reference.logits)).unwrap();
    let stored: Vec<f32> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|value| f16::from_le_bytes(*value).to_f32())
        .collect();
    let check = |position: usize, logits: &[f32]| {
        if let Some(row) = logits_positions.iter().position(|at| *at == position) {
            let wanted = &stored[row * reference.vocabulary..(row + 1) * reference.vocabulary];
            let cosine = cosine(logits, wanted);
            assert!(cosine > COSINE, "position {position}: cosine {cosine}");
        }
        if reference.margin[position] > MARGIN {
            assert_eq!(
                argmax(logits),
                reference.top1[position],
                "position {position}"
            );
        }
    };
    for device in fast_devices() {
        let model = load(&device, &path);
        let mut session = session(&model, 96, 64);
        let mut seen = 0;
        session
            .score(&reference.prompt, &mut |position, logits| {
                seen += 1;
                check(position, logits);
            })
            .unwrap();
        assert_eq!(seen, reference.prompt.len());
        for (step, &id) in reference.decode.iter().enumerate() {
            session.push(&[id], &mut |_| {}).unwrap();
            check(reference.prompt.len() + step, &session.logits().unwrap());
        }
    }
}

#[test]
fn a_chat_prompt_gets_the_reference_s_answer() {
    let Some(path) = default_model() else { return };
    let chat: ChatReference = json("chat.json");
    assert!(
        chat.margin.iter().all(|margin| *margin > 0.05),
        "the answer must not hang on rounding"
    );
    for device in fast_devices() {
        let model = load(&device, &path);
        let mut session = session(&model, 64, 32);
        session.push(&chat.prompt, &mut |_| {}).unwrap();
        let answer = chat
            .answer_ids
            .iter()
            .map(|_| session.next_token(&Sampling::GREEDY).unwrap());
        assert_eq!(answer.collect::<Vec<_>>(), chat.answer_ids, "{device:?}");
    }
}

#[test]
fn perplexity_is_within_half_a_percent() {
    let Some(path) = default_model() else { return };
    let reference: PerplexityReference = json("perplexity.json");
    let model = load(&cpu(2), &path);
    let PerplexityResult { window, windows } = &reference.results[0];
    let options = SessionOptions {
        capacity: *window,
        ..SessionOptions::for_model(&model)
    };
    let mut session = Session::new(&model, &options).unwrap();
    let (mut sum, mut wanted_sum, mut all) = (0.0, 0.0, 0);
    for (ids, wanted) in reference.ids.chunks(*window).zip(windows).take(WINDOWS) {
        let mut scored = 0;
        session
            .score(ids, &mut |position, logits| {
                if let Some(&next) = ids.get(position + 1) {
                    sum -= log_probability(logits, next);
                    scored += 1;
                }
            })
            .unwrap();
        assert_eq!(scored, wanted.tokens);
        wanted_sum += wanted.nll_sum;
        all += scored;
    }
    let ratio = ((sum - wanted_sum) / all as f64).exp();
    assert!(
        (ratio - 1.0).abs() < 0.005,
        "perplexity is {ratio} times the reference's"
    );
}
