//! How much memory the reference interpreter takes besides the buffers that it checks.

mod common;
#[path = "common/peak_memory.rs"]
mod peak_memory;

use common::{data, load, reference, session};
use dacapo::reference::ReferenceOptions;
use dacapo_llm::Sampling;
use peak_memory::peak_of;

/// Most bytes for each byte of a buffer, its own included.
const FACTOR: u64 = 10;

#[test]
fn a_model_under_check_takes_ten_times_its_buffers_at_most() {
    let device = reference(ReferenceOptions::default());
    let (peak, buffers) = peak_of(|| {
        let model = load(&device, &data("tiny/llama-gqa.q4_1.gguf"));
        let mut session = session(&model, 64, 16);
        session.push(&[11, 48, 85, 122], &mut |_| {}).unwrap();
        for _ in 0..3 {
            session.next_token(&Sampling::GREEDY).unwrap();
        }
        device.memory_budget().used
    });
    assert!(
        peak as u64 <= FACTOR * buffers,
        "{peak} bytes for {buffers}"
    );
}
