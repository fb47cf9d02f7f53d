//! Logits of tiny models of every architecture and weight type, against transformers and a numpy f64 reference.

mod common;

use common::{Reference, argmax, cosine, cpu, data, devices, gpu, load, session};
use dacapo::{Backend, Device};
use dacapo_llm::tuning::Settings;
use dacapo_llm::{Model, Sampling, Session};

/// Least cosine between our logits and the reference's.
const COSINE: f64 = 0.9995;
/// Where the reference's best logit is this share of the logits' spread above the second, ours must agree.
const MARGIN: f32 = 0.02;

struct Case {
    reference: Reference,
    logits: Vec<f32>,
}

impl Case {
    fn all() -> Vec<Case> {
        let index = std::fs::read(data("tiny/index.json")).unwrap();
        let references: Vec<Reference> = serde_json::from_slice(&index).unwrap();
        references.into_iter().map(Case::new).collect()
    }

    fn new(reference: Reference) -> Case {
        let bytes = std::fs::read(data("tiny").join(&reference.logits)).unwrap();
        let logits = bytes
            .as_chunks()
            .0
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect();
        Case { reference, logits }
    }

    fn ids(&self) -> Vec<u32> {
        [&self.reference.prompt[..], &self.reference.decode].concat()
    }

    fn check(&self, how: &str, position: usize, logits: &[f32]) {
        let Reference {
            model,
            vocabulary,
            top1,
            margin,
            first_logits_position,
            ..
        } = &self.reference;
        assert_eq!(logits.len(), *vocabulary);
        if let Some(row) = position.checked_sub(*first_logits_position) {
            let wanted = &self.logits[row * vocabulary..(row + 1) * vocabulary];
            let cosine = cosine(logits, wanted);
            assert!(
                cosine > COSINE,
                "{model}, {how}, position {position}: cosine {cosine}"
            );
        }
        let spread = logits
            .iter()
            .fold(0f32, |most, logit| most.max(logit.abs()));
        if margin[position] > MARGIN * spread {
            assert_eq!(
                argmax(logits),
                top1[position],
                "{model}, {how}, position {position}"
            );
        }
    }

    fn session(&self, device: &Device, chunk: usize) -> Session {
        let model = load(device, &data("tiny").join(&self.reference.model));
        session(&model, 96, chunk)
    }
}

#[test]
fn there_is_a_case_for_every_architecture_and_weight_type() {
    let names: Vec<String> = Case::all()
        .into_iter()
        .map(|case| case.reference.model)
        .collect();
    for part in [
        "llama-mha",
        "llama-gqa",
        "llama3",
        "qwen2",
        "qwen3",
        "q4_1",
        "q4_0",
        "q8_0",
        "q4_k",
        "q6_k",
        "f16",
        "bf16",
        "q5_0",
    ] {
        assert!(
            names.iter().any(|name| name.contains(part)),
            "{part}: {names:?}"
        );
    }
}

#[test]
fn every_position_of_a_prompt_is_predicted_as_the_reference_does() {
    for device in devices() {
        for case in Case::all() {
            for chunk in [64, 7] {
                let mut positions = 0;
                let mut session = case.session(&device, chunk);
                session
                    .score(&case.ids(), &mut |position, logits| {
                        assert_eq!(position, positions);
                        positions += 1;
                        case.check("score", position, logits);
                    })
                    .unwrap();
                assert_eq!(positions, case.ids().len());
            }
        }
    }
}

#[test]
fn decoding_token_by_token_is_predicted_as_the_reference_does() {
    for device in devices() {
        for case in Case::all() {
            let mut session = case.session(&device, 64);
            session.push(&case.reference.prompt, &mut |_| {}).unwrap();
            let prompt = case.reference.prompt.len();
            case.check("prefill", prompt - 1, &session.logits().unwrap());
            for (step, &id) in case.reference.decode.iter().enumerate() {
                session.push(&[id], &mut |_| {}).unwrap();
                case.check("decode", prompt + step, &session.logits().unwrap());
            }
        }
    }
}

/// Has the products between attentions become one dispatch, which otherwise only tuning does, and checks that every layer
/// of a decode step is one.
fn chain(model: &Model) {
    let plan = || {
        let session = session(model, 96, 64);
        let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
        session.plan(&graph).unwrap()
    };
    let tuning = model.tuning();
    tuning.record(true);
    plan();
    let knobs = tuning.knobs().into_iter();
    let knobs = knobs.filter(|knob| knob.key.dimension == "workgroups a unit");
    let settings: Settings = knobs.map(|knob| (knob.name(), 1)).collect();
    assert!(!settings.is_empty(), "no chain is asked for");
    tuning.record(false);
    tuning.apply(settings);
    let plan = plan();
    let nodes = plan.graph().nodes().iter();
    let chains = nodes.filter(|node| node.op_kind() == "matvec_chain");
    let misses = &plan.report().fusion.near_misses;
    assert_eq!(chains.count(), model.config().layers, "{misses:?}");
}

#[test]
fn decoding_in_chains_is_predicted_as_the_reference_does() {
    let Some(device) = gpu(Backend::Vulkan) else {
        return;
    };
    for case in Case::all() {
        let path = data("tiny").join(&case.reference.model);
        let model = load(&device, &path);
        chain(&model);
        let mut chained = session(&model, 96, 64);
        chained.push(&case.reference.prompt, &mut |_| {}).unwrap();
        let prompt = case.reference.prompt.len();
        for (step, &id) in case.reference.decode.iter().enumerate() {
            chained.push(&[id], &mut |_| {}).unwrap();
            case.check("chained", prompt + step, &chained.logits().unwrap());
        }
        // Steps ahead of the host, beside the processor's with the same tokens.
        let mut other = session(&load(&cpu(2), &path), 96, 64);
        other.push(&case.ids(), &mut |_| {}).unwrap();
        for _ in 0..6 {
            let token = chained.next_token(&Sampling::GREEDY).unwrap();
            other.push(&[token], &mut |_| {}).unwrap();
        }
        let cosine = cosine(&chained.logits().unwrap(), &other.logits().unwrap());
        let name = &case.reference.model;
        assert!(cosine > COSINE, "{name}: cosine {cosine} in chains");
    }
}
