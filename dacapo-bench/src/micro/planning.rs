use std::time::Instant;

use dacapo::{Buffer, Device, DeviceOptions, Graph, MemoryKind, PlanOptions, Reorder};

use super::{Effort, each, samples};
use crate::report::Chart;
use crate::work::Result;

/// Few, so that graphs of all sizes are about as entangled.
const BUFFERS: u64 = 64;

/// What planning costs for each node, by the number of nodes.
pub fn measure(effort: &Effort) -> Result<Chart> {
    let device = Device::open(&DeviceOptions::cpu())?;
    let buffers = (0..BUFFERS)
        .map(|_| device.buffer(128, MemoryKind::DeviceLocal))
        .collect::<dacapo::Result<Vec<Buffer>>>()?;
    let mut chart = Chart::new("planning", "Planning, for each node", "nodes", "us");
    for nodes in effort.sizes(10) {
        let graph = graph(&device, &buffers, u64::from(nodes))?;
        let rounds = effort.rounds(nodes).min(match nodes {
            0..=1_000 => 30,
            1_001..=10_000 => 7,
            _ => 3,
        });
        for (name, reorder) in [("reordered", Reorder::Free), ("as encoded", Reorder::Never)] {
            let options = PlanOptions {
                reorder,
                ..PlanOptions::default()
            };
            let times = samples(rounds, || {
                let started = Instant::now();
                let plan = graph.plan(&options)?;
                let time = started.elapsed();
                drop(plan);
                Ok(time)
            })?;
            let count = f64::from(nodes);
            chart.add(name, count, each(times, 1e6, count));
        }
    }
    Ok(chart)
}

/// Copies between buffers, each of which waits for some of those before it.
fn graph(device: &Device, buffers: &[Buffer], nodes: u64) -> Result<Graph> {
    let buffer = |number: u64| &buffers[(number % BUFFERS) as usize];
    Ok(Graph::capture(device, |encoder| {
        for node in 0..nodes {
            let (from, to) = (buffer(node * 7), buffer(node * 13 + 1));
            encoder.copy(from, to)?;
        }
        Ok::<(), dacapo::Error>(())
    })?)
}
