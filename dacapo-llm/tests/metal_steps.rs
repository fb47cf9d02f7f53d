//! What a decoder's step costs in calls of Metal, as the double counts them.
#![cfg(all(dacapo_metal_double, not(target_vendor = "apple")))]
#![allow(unsafe_code, reason = "asks the double what it has counted")]

mod common;
#[path = "common/counted_allocations.rs"]
mod counted_allocations;

use core::ffi::{CStr, c_char};

use common::{data, gpu, load};
use counted_allocations::allocations_of;
use dacapo::{Backend, Device};
use dacapo_llm::{PassOptions, Sampling, Session, SessionOptions};

unsafe extern "C" {
    fn metal_double_count(name: *const c_char) -> u64;
}

const COUNTED: [&CStr; 7] = [
    c"command_buffers",
    c"compute_encoders",
    c"blit_encoders",
    c"dispatches",
    c"barriers",
    c"buffers",
    c"residency_commits",
];

/// How often each was called while `work` ran.
fn counted(work: impl FnOnce()) -> [u64; COUNTED.len()] {
    // SAFETY: the names end with a zero.
    let counts = || COUNTED.map(|name| unsafe { metal_double_count(name.as_ptr()) });
    let before = counts();
    work();
    let after = counts();
    assert!(!after.contains(&u64::MAX), "all are counted");
    core::array::from_fn(|at| after[at] - before[at])
}

const STEPS: usize = 10;
const WINDOWS: usize = 3;

fn session(device: &Device, model: &str, passes: PassOptions) -> Session {
    let model = load(device, &data(model));
    let options = SessionOptions {
        capacity: 64,
        chunk: 8,
        passes,
        ..SessionOptions::for_model(&model)
    };
    let mut session = Session::new(&model, &options).unwrap();
    session.push(&[1, 2, 3, 4, 5], &mut |_| {}).unwrap();
    session
}

/// One test: the counts are of the whole process.
#[test]
fn a_decoders_step_is_one_command_buffer_and_one_encoder() {
    let Some(device) = gpu(Backend::Metal) else {
        return;
    };
    for model in ["tiny/llama-gqa.q4_1.gguf", "tiny/qwen3.bf16-q8_0.gguf"] {
        planned(&device, model);
        live(&device, model);
    }
}

fn planned(device: &Device, model: &str) {
    let passes = PassOptions {
        in_flight: 1,
        ..PassOptions::default()
    };
    let mut session = session(device, model, passes);
    let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
    let plan = session.plan(&graph).unwrap();
    let (nodes, waves) = (plan.graph().nodes().len(), plan.waves().len());
    // The first steps record the executable, and grow what later ones use again.
    for _ in 0..4 {
        session.next_token(&Sampling::GREEDY).unwrap();
    }
    for _ in 0..3 {
        let counts = counted(|| {
            session.next_token(&Sampling::GREEDY).unwrap();
        });
        // The token is fetched behind all others: a dispatch and a barrier more. Nothing is allocated.
        let expected = [1, 1, 0, nodes as u64 + 1, waves as u64 - 1 + 1, 0, 0];
        assert_eq!(counts, expected, "{model}: {COUNTED:?}");
    }
    steady(&mut session, model);
}

fn live(device: &Device, model: &str) {
    let passes = PassOptions {
        graph: false,
        ..PassOptions::default()
    };
    let mut session = session(device, model, passes);
    for _ in 0..3 {
        session.next_token(&Sampling::GREEDY).unwrap();
    }
    let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
    let counts = counted(|| {
        session.next_token(&Sampling::GREEDY).unwrap();
    });
    let [commands, encoders, blits, dispatches, _, buffers, residency] = counts;
    let nodes = graph.nodes().len() as u64;
    assert_eq!(
        [commands, encoders, blits, dispatches, buffers, residency],
        [1, 1, 0, nodes, 0, 0],
        "{model}: {COUNTED:?}"
    );
    steady(&mut session, model);
}

/// Nothing is allocated on the heap by any thread, except in Metal. What steps use again may still grow in some of them; a
/// step that allocated each time would do so in every window.
fn steady(session: &mut Session, model: &str) {
    let mut window = || {
        allocations_of(|| {
            for _ in 0..STEPS {
                session.next_token(&Sampling::GREEDY).unwrap();
            }
        })
    };
    let mut counts = Vec::new();
    while counts.len() < WINDOWS && !counts.contains(&0) {
        counts.push(window());
    }
    assert!(
        counts.contains(&0),
        "{model}: {counts:?} allocations in {STEPS} steps each"
    );
}
