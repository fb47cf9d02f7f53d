//! A steady decode step allocates nothing on the heap, on any thread.

mod common;
#[path = "common/counted_allocations.rs"]
mod counted_allocations;

use common::{cpu, data, load, session};
use counted_allocations::allocations_of;
use dacapo_llm::Sampling;

#[test]
fn a_steady_decode_step_allocates_nothing() {
    for model in [
        "tiny/llama-gqa.q4_1.gguf",
        "tiny/qwen3.bf16-q8_0.gguf",
        "tiny/qwen2.f16-f32.gguf",
    ] {
        for sampling in [
            Sampling::GREEDY,
            Sampling {
                temperature: 0.8,
                top_k: 20,
                top_p: 0.9,
                min_p: 0.05,
                seed: 3,
            },
        ] {
            let mut session = session(&load(&cpu(2), &data(model)), 96, 16);
            session.push(&[1, 2, 3, 4, 5], &mut |_| {}).unwrap();
            // The first steps grow what later ones use again, and threads may still be starting: a step that
            // allocated each time would do so in every window.
            let window = || {
                allocations_of(|| {
                    for _ in 0..25 {
                        session.next_token(&sampling).unwrap();
                    }
                })
            };
            let counts: Vec<u64> = std::iter::repeat_with(window).take(3).collect();
            assert!(
                counts.contains(&0),
                "{model}, {sampling:?}: {counts:?} allocations in 25 steps each"
            );
        }
    }
}
