//! A steady decode step allocates nothing on the heap, on any thread.
#![allow(unsafe_code, reason = "a counting global allocator")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{cpu, data, load, session};
use dacapo_llm::Sampling;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: forwards to the system allocator and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(start, layout, size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                for _ in 0..25 {
                    session.next_token(&sampling).unwrap();
                }
                ALLOCATIONS.load(Ordering::Relaxed) - before
            };
            let counts: Vec<u64> = std::iter::repeat_with(window).take(3).collect();
            assert!(
                counts.contains(&0),
                "{model}, {sampling:?}: {counts:?} allocations in 25 steps each"
            );
        }
    }
}
