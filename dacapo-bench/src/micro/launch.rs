use std::time::{Duration, Instant};

use dacapo::{Buffer, Bytes, Device, Executable, Graph, Grid, MemoryKind, PlanOptions, Submission};

use super::{Effort, each};
use crate::report::Chart;
use crate::work::{self, Params, Result};

/// Nodes of a graph: those of a decode step of a model of a billion weights.
const NODES: u32 = 800;
/// Launches made one after the other before the first is waited for.
const BURST: u32 = 8;

/// What a launch costs the host beside encoding the nodes again, by the allocations that they use.
pub fn measure(device: &Device, effort: &Effort) -> Result<Chart> {
    let mut chart = Chart::new(
        "launch",
        &format!("Host time of a graph of {NODES} nodes"),
        "allocations",
        "us",
    );
    for allocations in [3, 30, 300, NODES] {
        let (graph, executable) = chain(device, allocations)?;
        let (mut encoded, mut launched) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=effort.rounds {
            let times = (
                burst(|| graph.replay("chain"))?,
                burst(|| executable.launch("chain"))?,
            );
            if round > 0 {
                encoded.push(times.0);
                launched.push(times.1);
            }
        }
        let (x, count) = (f64::from(allocations), f64::from(BURST));
        chart.add("encoding and committing", x, each(encoded, 1e6, count));
        chart.add("launching", x, each(launched, 1e6, count));
    }
    Ok(chart)
}

/// A chain of dispatches through a ring of buffers.
fn chain(device: &Device, allocations: u32) -> Result<(Graph, Executable)> {
    let kernel = work::kernel(device)?;
    let buffers = (0..allocations)
        .map(|_| device.buffer(128, MemoryKind::DeviceLocal))
        .collect::<dacapo::Result<Vec<Buffer>>>()?;
    let buffer = |number: u32| &buffers[(number % allocations) as usize];
    let graph = Graph::capture(device, |encoder| {
        for node in 0..NODES {
            let params = Params::new(node);
            let args = (buffer(node), buffer(node + 1), Bytes(&params));
            encoder.dispatch(&kernel, args, Grid::groups([1, 1, 1]))?;
        }
        Ok::<(), dacapo::Error>(())
    })?;
    let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    Ok((graph, executable))
}

fn burst(submit: impl Fn() -> dacapo::Result<Submission>) -> Result<Duration> {
    let mut spent = Duration::ZERO;
    let mut last = None;
    for _ in 0..BURST {
        let started = Instant::now();
        last = Some(submit()?);
        spent += started.elapsed();
    }
    if let Some(last) = last {
        last.wait()?;
    }
    Ok(spent)
}
