//! What a launch of an executable with 800 nodes costs the host, beside encoding the nodes again: microseconds, by the
//! number of buffers that the nodes bind. And how long a plan takes that runs once, by the size of its parts.
//!
//! `cargo bench -p dacapo --bench launch [DEVICE]`

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

mod common;

use std::time::{Duration, Instant};

use dacapo::{
    Buffer, Bytes, Device, Graph, Grid, MemoryKind, Plan, PlanOptions, Split, Submission,
};

const NODES: usize = 800;
const LONG: usize = 8000;
/// Launches made one after the other before the first is waited for.
const BURST: usize = 16;
const ROUNDS: usize = 60;

/// A chain over two activations, each link with weights of its own as far as there are buffers.
fn chain(device: &Device, buffers: usize, nodes: usize) -> Graph {
    let kernel = common::tiny(device);
    let buffer = || device.buffer(256, MemoryKind::DeviceLocal).expect("memory");
    let weights: Vec<Buffer> = (2..buffers).map(|_| buffer()).collect();
    let activations = [buffer(), buffer()];
    Graph::capture(device, |encoder| {
        for node in 0..nodes {
            let (x, y) = (&activations[node % 2], &activations[(node + 1) % 2]);
            let weights = &weights[node % weights.len()];
            let args = (weights, x, y, Bytes(&[node as u32; 4]));
            encoder.dispatch(&kernel, args, Grid::groups([1, 1, 1]))?;
        }
        Ok::<(), dacapo::Error>(())
    })
    .expect("a capture")
}

/// Best and median microseconds of one of a burst.
fn measure(mut one: impl FnMut() -> Submission) -> (f64, f64) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut spent = Duration::ZERO;
        let mut last = None;
        for _ in 0..BURST {
            let began = Instant::now();
            last = Some(one());
            spent += began.elapsed();
        }
        last.expect("a submission").wait().expect("it runs");
        times.push(spent.as_secs_f64() * 1e6 / BURST as f64);
    }
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

/// Best and median microseconds until a submission has run.
fn to_the_end(run: impl Fn() -> Submission) -> (f64, f64) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            run().wait().expect("it runs");
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn plan(graph: &Graph) -> Plan {
    graph.plan(&PlanOptions::default()).expect("a plan")
}

fn line(what: &str, (best, median): (f64, f64)) {
    println!("{what:40} {best:>8.2} ({median:>8.2})");
}

fn main() {
    let device = common::device();
    println!("{}, us: best (median)", device.info().name);
    for buffers in [20, 350] {
        let graph = chain(&device, buffers, NODES);
        let plan = plan(&graph);
        println!("{NODES} nodes, {buffers} buffers");
        line(
            "encoding and committing",
            measure(|| graph.replay("chain").expect("a replay")),
        );
        for nodes in [64, 128, 256, NODES] {
            let split = Split {
                first: nodes,
                rest: nodes,
            };
            let executable = plan.instantiate_with(split).expect("recording");
            let launch = || executable.launch("chain").expect("a launch");
            line(&format!("launching, parts of {nodes}"), measure(launch));
        }
    }
    println!("{LONG} nodes, from the call to the end");
    let graph = chain(&device, 350, LONG);
    let plan = plan(&graph);
    line(
        "encoding and committing",
        to_the_end(|| graph.replay("long").expect("a replay")),
    );
    for (first, rest) in [
        (LONG, LONG),
        (32, 256),
        (64, 128),
        (64, 256),
        (64, 512),
        (128, 1024),
        (64, LONG),
    ] {
        let replay = || {
            plan.replay_with("long", Split { first, rest })
                .expect("a replay")
        };
        line(
            &format!("in parts of {first}, then {rest}"),
            to_the_end(replay),
        );
    }
}
