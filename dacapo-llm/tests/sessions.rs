//! What sessions promise: chunks, threads, forks and refusals, on tiny models.

mod common;

use std::path::PathBuf;

use common::{cpu, data, devices, load, session};
use dacapo::{Backend, Device};
use dacapo_llm::{
    CacheType, DecoderError, Error, Model, PassOptions, Sampling, Session, SessionOptions,
};

fn tiny() -> PathBuf {
    data("tiny/llama-gqa.q4_1.gguf")
}

fn prompt(len: usize) -> Vec<u32> {
    (0..len as u32).map(|at| (at * 37 + 11) % 250).collect()
}

const WARM: Sampling = Sampling {
    temperature: 0.9,
    top_k: 40,
    top_p: 0.95,
    min_p: 0.0,
    seed: 7,
};

fn text(session: &mut Session, tokens: usize, sampling: &Sampling) -> Vec<u32> {
    (0..tokens)
        .map(|_| session.next_token(sampling).unwrap())
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let run = |threads: usize| {
        let mut session = session(&load(&cpu(threads), &tiny()), 64, 16);
        session.push(&prompt(23), &mut |_| {}).unwrap();
        let tokens = text(&mut session, 12, &WARM);
        let logits: Vec<u32> = session
            .logits()
            .unwrap()
            .into_iter()
            .map(f32::to_bits)
            .collect();
        (tokens, logits)
    };
    let first = run(1);
    for round in 0..100 {
        let threads = [1, 2, 4][round % 3];
        assert_eq!(run(threads), first, "{threads} threads, round {round}");
    }
}

#[test]
fn other_seeds_give_other_text() {
    let mut texts = std::collections::HashSet::new();
    let model = load(&cpu(2), &tiny());
    for seed in 0..8 {
        let mut session = session(&model, 64, 16);
        session.push(&prompt(5), &mut |_| {}).unwrap();
        texts.insert(text(
            &mut session,
            12,
            &Sampling {
                temperature: 20.0,
                top_k: 0,
                top_p: 1.0,
                seed,
                ..WARM
            },
        ));
    }
    assert!(texts.len() >= 7, "{} of 8 texts differ", texts.len());
}

#[test]
fn sessions_over_one_model_do_not_disturb_each_other() {
    let model = load(&cpu(2), &tiny());
    let alone = |prompt: &[u32]| {
        let mut session = session(&model, 64, 8);
        session.push(prompt, &mut |_| {}).unwrap();
        text(&mut session, 10, &Sampling::GREEDY)
    };
    let prompts = [prompt(9), prompt(20)[3..].to_vec()];
    let expected = [alone(&prompts[0]), alone(&prompts[1])];
    let mut sessions = [session(&model, 64, 8), session(&model, 64, 8)];
    for (session, prompt) in sessions.iter_mut().zip(&prompts) {
        session.push(prompt, &mut |_| {}).unwrap();
    }
    let mut texts = [Vec::new(), Vec::new()];
    for _ in 0..10 {
        for (session, text) in sessions.iter_mut().zip(&mut texts) {
            text.push(session.next_token(&Sampling::GREEDY).unwrap());
        }
    }
    assert_eq!(texts, expected);
}

#[test]
fn a_fork_continues_like_the_original() {
    let model = load(&cpu(2), &tiny());
    for sampled in [0, 3] {
        let mut original = session(&model, 64, 8);
        original.push(&prompt(13), &mut |_| {}).unwrap();
        text(&mut original, sampled, &WARM);
        let mut fork = original.fork().unwrap();
        assert_eq!(fork.position(), original.position());
        assert_eq!(text(&mut fork, 8, &WARM), text(&mut original, 8, &WARM));
        fork.push(&[1, 2, 3], &mut |_| {}).unwrap();
        assert_eq!(
            text(&mut original.fork().unwrap(), 4, &WARM),
            text(&mut original, 4, &WARM)
        );
    }
}

#[test]
fn pushing_after_sampling_puts_the_sampled_token_first() {
    let model = load(&cpu(2), &tiny());
    let mut sampled = session(&model, 64, 8);
    sampled.push(&prompt(6), &mut |_| {}).unwrap();
    let token = sampled.next_token(&Sampling::GREEDY).unwrap();
    sampled.push(&[5, 6], &mut |_| {}).unwrap();
    assert_eq!(sampled.position(), 9);
    let mut given = session(&model, 64, 8);
    given.push(&prompt(6), &mut |_| {}).unwrap();
    given.push(&[token], &mut |_| {}).unwrap();
    given.push(&[5, 6], &mut |_| {}).unwrap();
    assert_eq!(sampled.logits().unwrap(), given.logits().unwrap());
}

#[test]
fn progress_counts_every_chunk() {
    let mut session = session(&load(&cpu(1), &tiny()), 64, 8);
    let mut seen = Vec::new();
    session
        .push(&prompt(20), &mut |done| seen.push(done))
        .unwrap();
    assert_eq!(seen, [8, 16, 20]);
}

#[test]
fn the_end_of_the_context_is_said_and_nothing_is_lost() {
    let model = load(&cpu(2), &tiny());
    let mut session = session(&model, 12, 8);
    let error = session
        .push(&prompt(13), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("0 of 12 positions") && error.contains("13 more"),
        "{error}"
    );
    session.push(&prompt(10), &mut |_| {}).unwrap();
    // Positions 10 and 11 take two sampled tokens; the third is sampled and has no place.
    for _ in 0..3 {
        session.next_token(&Sampling::GREEDY).unwrap();
    }
    for _ in 0..2 {
        let error = session.next_token(&Sampling::GREEDY).unwrap_err();
        assert!(matches!(
            error,
            Error::Decoder(DecoderError::ContextFull {
                position: 12,
                capacity: 12,
                asked: 1
            })
        ));
    }
    session.clear();
    session.push(&prompt(12), &mut |_| {}).unwrap();
    assert_eq!(session.position(), 12);
}

#[test]
fn what_cannot_be_is_refused_before_anything_happens() {
    let model = load(&cpu(1), &tiny());
    let mut session = session(&model, 16, 8);
    assert!(matches!(
        session.next_token(&WARM).unwrap_err(),
        Error::Decoder(DecoderError::Empty)
    ));
    assert!(matches!(
        session.logits().unwrap_err(),
        Error::Decoder(DecoderError::Empty)
    ));
    let error = session
        .push(&[1, 70_000], &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("70000") && error.contains("288"), "{error}");
    assert_eq!(session.position(), 0);
    let context = model.config().context_length;
    for (capacity, chunk, named) in [
        (0, 8, "capacity"),
        (context + 1, 8, "capacity"),
        (16, 0, "chunk"),
    ] {
        let options = SessionOptions {
            capacity,
            chunk,
            cache: CacheType::F16,
            passes: PassOptions::default(),
        };
        let error = Session::new(&model, &options).unwrap_err().to_string();
        assert!(
            error.contains(named) && error.contains("allowed"),
            "{error}"
        );
    }
    let nan = Sampling {
        temperature: f32::NAN,
        ..WARM
    };
    session.push(&[1], &mut |_| {}).unwrap();
    assert!(session.next_token(&nan).is_err());
}

/// All ways in which passes can reach a device; to the reference interpreter, which takes its time, with one number of
/// steps in flight.
fn ways(device: &Device) -> Vec<PassOptions> {
    let in_flight = match device.info().backend {
        Backend::Reference => &[2][..],
        _ => &[1, 2, 5],
    };
    let mut ways = Vec::new();
    for (graph, fuse, reorder) in [
        (false, false, false),
        (true, false, false),
        (true, false, true),
        (true, true, false),
        (true, true, true),
    ] {
        for &in_flight in in_flight {
            ways.push(PassOptions {
                graph,
                fuse,
                reorder,
                in_flight,
            });
        }
    }
    ways
}

/// A conversation: prompts between answers, a change of mind about sampling, looks at logits, a fork in the middle of
/// steps in flight, and the end of the context. What comes out must not depend on how passes reach the device.
fn conversation(model: &Model, passes: PassOptions) -> (Vec<u32>, Vec<Vec<f32>>) {
    let options = SessionOptions {
        capacity: 64,
        chunk: 16,
        passes,
        ..SessionOptions::for_model(model)
    };
    let mut session = Session::new(model, &options).unwrap();
    let (mut tokens, mut logits) = (Vec::new(), Vec::new());
    session.push(&prompt(5), &mut |_| {}).unwrap();
    tokens.extend(text(&mut session, 4, &Sampling::GREEDY));
    logits.push(session.logits().unwrap());
    tokens.extend(text(&mut session, 3, &Sampling::GREEDY));
    session.push(&prompt(18), &mut |_| {}).unwrap();
    tokens.extend(text(&mut session, 3, &Sampling::GREEDY));
    let mut fork = session.fork().unwrap();
    tokens.extend(text(&mut fork, 3, &Sampling::GREEDY));
    tokens.extend(text(&mut session, 3, &Sampling::GREEDY));
    // A token that was sampled warm is put through by a greedy step, and the other way round.
    for sampling in [&WARM, &Sampling::GREEDY, &WARM] {
        tokens.extend(text(&mut session, 2, sampling));
    }
    fork.push(&prompt(2), &mut |_| {}).unwrap();
    logits.push(fork.logits().unwrap());
    // To the end of the context, and no further.
    while session.position() < 64 {
        tokens.push(session.next_token(&Sampling::GREEDY).unwrap());
    }
    session.next_token(&Sampling::GREEDY).unwrap_err();
    session.clear();
    session.push(&prompt(7), &mut |_| {}).unwrap();
    tokens.extend(text(&mut session, 3, &Sampling::GREEDY));
    logits.push(session.logits().unwrap());
    (tokens, logits)
}

#[test]
fn a_conversation_is_the_same_however_passes_reach_the_device() {
    for device in devices() {
        for file in ["tiny/llama-gqa.q4_1.gguf", "tiny/qwen3.bf16-q8_0.gguf"] {
            let model = load(&device, &data(file));
            let ways = ways(&device);
            let (tokens, logits) = conversation(&model, ways[0]);
            for way in &ways[1..] {
                let (others, other_logits) = conversation(&model, *way);
                assert_eq!(others, tokens, "{file}, {way:?}");
                for (ours, theirs) in logits.iter().zip(&other_logits) {
                    // Fused operations round elsewhere.
                    assert!(common::cosine(ours, theirs) > 0.999999, "{file}, {way:?}");
                }
            }
        }
    }
}

#[test]
fn a_decode_step_has_as_few_waves_as_its_hazards_allow() {
    for device in devices() {
        let model = load(&device, &tiny());
        let session = session(&model, 64, 16);
        let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
        let plan = session.plan(&graph).unwrap();
        let report = plan.report();
        assert_eq!(plan.waves().len() as u32, report.renamed.longest_path);
        assert!(report.fused.nodes < report.captured.nodes);
        assert!(report.fused.longest_path < report.captured.longest_path);
        assert!(report.renamed.longest_path <= report.renamed.barriers_greedy64 + 1);
    }
}

#[test]
fn f32_and_f16_caches_agree_closely() {
    let model = load(&cpu(2), &tiny());
    let logits = |cache| {
        let options = SessionOptions {
            capacity: 64,
            chunk: 16,
            cache,
            passes: PassOptions::default(),
        };
        let mut session = Session::new(&model, &options).unwrap();
        session.push(&prompt(40), &mut |_| {}).unwrap();
        session.logits().unwrap()
    };
    let (half, single) = (logits(CacheType::F16), logits(CacheType::F32));
    assert_ne!(half, single);
    assert!(common::cosine(&half, &single) > 0.9999);
}

#[test]
fn loading_reports_progress_and_conversions() {
    let device = cpu(1);
    let files = dacapo_llm::ModelFiles::open(data("tiny/llama-mha.q5_0-q5_1.gguf")).unwrap();
    let mut last = None;
    let model = Model::load(&device, &files, &mut |progress| last = Some(progress)).unwrap();
    let last = last.unwrap();
    assert_eq!(
        (last.bytes, last.total),
        (model.weight_bytes(), model.weight_bytes())
    );
    let notices = model.notices().join("; ");
    for (from, to) in [("Q5_0", "Q8_0"), ("Q5_1", "F16")] {
        let notice = notices.split("; ").find(|notice| notice.contains(from));
        assert!(
            notice.is_some_and(|notice| notice.contains(to)),
            "{notices}"
        );
    }
}
