//! What passes have to do, against sums over a model's tensors.

mod common;

use common::{data, devices, load};
use dacapo::{Device, Graph, ProfileLevel, Work};
use dacapo_llm::weights::Weight;
use dacapo_llm::{Model, ModelFiles, Sampling, Session, SessionOptions};

/// Models of each architecture, with tied embeddings and without.
const MODELS: [&str; 3] = [
    "llama-gqa.q4_1.gguf",
    "qwen2.f16-f32.gguf",
    "qwen3.q4_1.gguf",
];

fn total(graph: &Graph, extent: u64) -> Work {
    let nodes = graph.nodes().iter();
    nodes.map(|node| node.work(Some(extent))).sum()
}

/// The tensors that a token goes through, but for the table of embeddings: of that it takes a row.
fn multiplied(files: &ModelFiles) -> Vec<&Weight> {
    let weights = files.weights();
    let table = &weights.token_embd;
    let tied = weights.output.is_none();
    weights
        .iter()
        .filter(|weight| tied || *weight != table)
        .collect()
}

/// The arithmetic of a greedy decode step, formula by formula.
fn operations(files: &ModelFiles, context: u64) -> u64 {
    let config = files.config();
    let [
        width,
        layers,
        heads,
        kv_heads,
        head_dim,
        feed_forward,
        vocabulary,
        dims,
    ] = [
        config.width,
        config.layers,
        config.heads,
        config.kv_heads,
        config.head_dim,
        config.feed_forward,
        config.vocab_size,
        config.rope.dims,
    ]
    .map(|n| n as u64);
    let matrices = multiplied(files)
        .into_iter()
        .filter(|weight| weight.rows > 1);
    let parameters: usize = matrices.map(|weight| weight.rows * weight.cols).sum();
    let norm = |width| 4 * width + 3;
    let all_heads = heads + kv_heads;
    let mut layer = 2 * norm(width) + 2 * width + 4 * feed_forward;
    layer += 9 * all_heads * dims / 2;
    layer += heads * context * (4 * head_dim + 5) + heads * head_dim;
    if config.qkv_bias {
        layer += (heads + 2 * kv_heads) * head_dim;
    }
    if config.qk_norm {
        layer += all_heads * norm(head_dim);
    }
    // At last the final norm, the search of the greatest logit and the next position.
    2 * parameters as u64 + layers * layer + norm(width) + vocabulary + 1
}

/// The bytes of weights and cache that a decode step needs.
fn needed(files: &ModelFiles, context: u64) -> u64 {
    let config = files.config();
    let multiplied = multiplied(files).into_iter();
    let weights: usize = multiplied.map(|weight| weight.range.len()).sum();
    let table = &files.weights().token_embd;
    let row = table.range.len() / table.rows;
    let position = 2 * 2 * config.layers * config.kv_heads * config.head_dim;
    (weights + row) as u64 + context * position as u64
}

/// Checks a decode step of a model, captured and planned; activations are at most `activations` of what it reads.
fn check(model: &Model, files: &ModelFiles, activations: f64) {
    let options = SessionOptions {
        capacity: 64,
        ..SessionOptions::for_model(model)
    };
    let session = Session::new(model, &options).unwrap();
    let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
    let plan = session.plan(&graph).unwrap();
    for context in [1, 40] {
        let (captured, planned) = (total(&graph, context), total(plan.graph(), context));
        let (expected, needed) = (operations(files, context), needed(files, context));
        assert_eq!(captured.operations, expected);
        assert_eq!(planned.operations, expected);
        assert!(planned.read <= captured.read && planned.written <= captured.written);
        assert!(
            captured.read >= needed && planned.read >= needed,
            "{planned:?} {needed}"
        );
        let more = (planned.read - needed) as f64 / needed as f64;
        assert!(more < activations, "{more} of {needed} at {context}");
    }
    all_account(model.device());
}

/// Checks that nobody's work is a guess.
fn all_account(device: &Device) {
    for source in device.kernel_sources() {
        assert!(source.has_work(), "{}", source.name());
    }
}

#[test]
fn a_decode_step_multiplies_every_parameter_once() {
    for name in MODELS {
        let path = data("tiny").join(name);
        let files = ModelFiles::open(&path).unwrap();
        for device in devices() {
            check(&load(&device, &path), &files, 0.3);
        }
    }
}

#[test]
fn a_decode_step_of_the_default_model_reads_little_but_its_weights() {
    let Some(path) = common::default_model() else {
        return;
    };
    let files = ModelFiles::open(&path).unwrap();
    for device in devices() {
        check(&load(&device, &path), &files, 0.05);
    }
}

/// The cache is read as far as it is filled, in chunks of a prompt, in steps in flight, and where a token is scored.
#[test]
fn passes_say_how_far_the_cache_is_filled() {
    let path = data("tiny").join(MODELS[0]);
    for device in devices() {
        let model = load(&device, &path);
        let config = model.config();
        let (q, kv) = (
            config.heads * config.head_dim,
            config.kv_heads * config.head_dim,
        );
        let also = 4 * (2 * kv + config.rope.dims) as u64;
        for graph in [false, true] {
            let mut options = SessionOptions {
                capacity: 64,
                chunk: 3,
                ..SessionOptions::for_model(&model)
            };
            options.passes.graph = graph;
            options.passes.in_flight = 3;
            let mut session = Session::new(&model, &options).unwrap();
            let recorder = device.record(ProfileLevel::Dispatches).unwrap();
            session.push(&[1, 2, 3, 4], &mut |_| {}).unwrap();
            // The first is sampled from what is there.
            for _ in 0..3 {
                session.next_token(&Sampling::GREEDY).unwrap();
            }
            session.logits().unwrap();
            session.score(&[5, 6, 7, 8, 9], &mut |_, _| {}).unwrap();
            let trace = recorder.finish().unwrap();
            all_account(&device);

            // Two steps in flight were computed for nothing.
            let ahead: &[[usize; 2]] = if graph { &[[1, 7], [1, 8]] } else { &[] };
            let rows_and_filled = [
                &[[3, 3], [1, 4], [1, 5], [1, 6]][..],
                ahead,
                &[[1, 7], [3, 3], [2, 5]],
            ]
            .concat();
            let expected: Vec<u64> = rows_and_filled
                .into_iter()
                .map(|[rows, filled]| (4 * rows * (q + 1) + 2 * 2 * filled * kv) as u64)
                .collect();
            let submissions = trace.submissions.iter();
            let attention = submissions.filter_map(|submission| {
                let mut dispatches = submission.dispatches.iter();
                let attention = dispatches.find(|dispatch| dispatch.op.ends_with("attention"))?;
                // One token's, where it is fused, also reads its key and value, the angles and the weights of norms.
                let fused = match &*attention.op {
                    "rope_append_attention" => also,
                    _ => 0,
                };
                Some(attention.work.read - fused)
            });
            assert_eq!(attention.collect::<Vec<_>>(), expected, "graph: {graph}");
        }
    }
}
