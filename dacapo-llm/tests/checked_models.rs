//! What the reference interpreter says of models as they are: nothing, in whatever order workgroups run.

mod common;

use common::{Reference, data, load, reference};
use dacapo::reference::{Order, ReferenceOptions, reports};
use dacapo_llm::{PassOptions, Sampling, Session, SessionOptions};

/// One of each architecture.
const MODELS: [&str; 3] = [
    "tiny/llama-gqa.q4_1.gguf",
    "tiny/qwen2.q4_0.gguf",
    "tiny/qwen3.q4_1.gguf",
];
const PROMPT: [u32; 5] = [11, 48, 85, 122, 159];

/// With the options that are the default, whatever is reported fails the submission.
#[test]
fn nothing_is_reported_on_any_model_however_passes_reach_the_device() {
    let device = reference(ReferenceOptions::default());
    let index = std::fs::read(data("tiny/index.json")).unwrap();
    let models: Vec<Reference> = serde_json::from_slice(&index).unwrap();
    assert!(!models.is_empty());
    let samplings = [
        (0.0, 0, 1.0, 0.0),
        (0.8, 0, 1.0, 0.0),
        (0.8, 0, 0.9, 0.1),
        (0.8, 20, 1.0, 0.0),
        (0.8, 20, 0.9, 0.1),
    ]
    .map(|(temperature, top_k, top_p, min_p)| Sampling {
        temperature,
        top_k,
        top_p,
        min_p,
        seed: 7,
    });
    for Reference { model: name, .. } in models {
        let model = load(&device, &data("tiny").join(&name));
        let mut first = None;
        for (graph, fuse) in [(false, false), (true, false), (true, true)] {
            let options = SessionOptions {
                capacity: 32,
                chunk: 3,
                passes: PassOptions {
                    graph,
                    fuse,
                    in_flight: 1,
                    ..PassOptions::default()
                },
                ..SessionOptions::for_model(&model)
            };
            let mut session = Session::new(&model, &options).unwrap();
            session.push(&PROMPT, &mut |_| {}).unwrap();
            let sampled = samplings.iter();
            let tokens: Vec<u32> = sampled
                .map(|sampling| session.next_token(sampling).unwrap())
                .collect();
            let first = first.get_or_insert_with(|| tokens.clone());
            assert_eq!(*first, tokens, "{name}, graph: {graph}, fused: {fuse}");
            let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
            graph.replay("replayed").unwrap().wait().unwrap();
        }
    }
    assert!(reports(&device).unwrap().is_empty());
}

#[test]
fn logits_are_the_same_in_every_order_of_workgroups() {
    let bytes = |model: &str, order| {
        let device = reference(ReferenceOptions {
            order,
            ..ReferenceOptions::default()
        });
        let mut session = common::session(&load(&device, &data(model)), 16, 3);
        session.push(&PROMPT, &mut |_| {}).unwrap();
        let mut logits = vec![session.logits().unwrap()];
        for _ in 0..3 {
            session.next_token(&Sampling::GREEDY).unwrap();
            logits.push(session.logits().unwrap());
        }
        logits
            .concat()
            .into_iter()
            .map(f32::to_bits)
            .collect::<Vec<_>>()
    };
    let others = [Order::Reverse, Order::Parallel].into_iter();
    let others = others.chain([1, 2, 3].map(Order::Shuffled));
    for model in MODELS {
        let expected = bytes(model, Order::Forward);
        for order in others.clone() {
            assert!(bytes(model, order) == expected, "{model}, {order:?}");
        }
    }
}
