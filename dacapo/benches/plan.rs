//! What planning costs, by the number of nodes: milliseconds, the median of several.
//!
//! `cargo bench -p dacapo --bench plan`

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::time::Instant;

use dacapo::{Buffer, Device, DeviceOptions, Graph, MemoryKind, PlanOptions, Reorder};

const ROUNDS: usize = 5;
const BUFFERS: usize = 1000;

/// Copies between buffers, each of which waits for some of those before it.
fn graph(device: &Device, buffers: &[Buffer], nodes: usize) -> Graph {
    Graph::capture(device, |encoder| {
        for node in 0..nodes {
            let from = &buffers[node * 7 % BUFFERS];
            let to = &buffers[(node * 13 + 1) % BUFFERS];
            encoder.copy(from, to)?;
        }
        Ok::<(), dacapo::Error>(())
    })
    .expect("a graph")
}

fn main() {
    let device = Device::open(&DeviceOptions::cpu()).expect("the processor");
    let buffer = || device.buffer(128, MemoryKind::DeviceLocal).expect("memory");
    let buffers: Vec<Buffer> = (0..BUFFERS).map(|_| buffer()).collect();
    for nodes in [100, 1_000, 10_000, 100_000] {
        let graph = graph(&device, &buffers, nodes);
        let mut times = Vec::new();
        let mut waves = 0;
        for _ in 0..ROUNDS {
            let options = PlanOptions {
                reorder: Reorder::Free,
                ..PlanOptions::default()
            };
            let started = Instant::now();
            let plan = graph.plan(&options).expect("a plan");
            times.push(started.elapsed());
            waves = plan.waves().len();
        }
        times.sort_unstable();
        let median = times[ROUNDS / 2].as_secs_f64() * 1e3;
        println!("{nodes:>7} nodes: {median:>8.2} ms, {waves} waves");
    }
}
