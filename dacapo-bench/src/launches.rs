use std::time::{Duration, Instant};

use dacapo::{Bytes, Device, Graph, Grid, KernelSource, MemoryKind, PlanOptions, Submission, Wgsl};

use crate::work::{KERNEL, Order, PART, PARTS, Params, Result, check};

/// Nodes of the executable: those of a decode step of a model of a billion weights.
const NODES: u32 = 800;
/// Launches in flight before the last is waited for.
const BURST: u32 = 8;

/// Prints what a launch of an executable costs the host, beside encoding its nodes again.
pub fn print(device: &Device, rounds: usize) -> Result<()> {
    let kernel = device.kernel(&KernelSource::new("tiny").wgsl(Wgsl::new(KERNEL)))?;
    let buffer = device.buffer(u64::from(PARTS) * PART, MemoryKind::DeviceLocal)?;
    let part = |part: u32| {
        let first = u64::from(part) * PART;
        buffer.slice(first..first + 128)
    };
    println!(
        "{:<12} {:>16} {:>16}",
        format!("us/{NODES} nodes"),
        "encode, commit",
        "launch"
    );
    for order in [Order::Independent, Order::Dependent] {
        let graph = Graph::capture(device, |encoder| {
            for number in 0..NODES {
                let (from, to) = order.parts(number);
                let params = Params::new(number);
                let args = (&part(from)?, &part(to)?, Bytes(&params));
                encoder.dispatch(&kernel, args, Grid::groups([1, 1, 1]))?;
            }
            Ok::<(), dacapo::Error>(())
        })?;
        let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
        let encoded = median(rounds, || graph.replay("again"))?;
        buffer.write(&vec![0u32; (u64::from(PARTS) * PART / 4) as usize])?;
        executable.launch("once")?.wait()?;
        let (_, last) = order.parts(NODES - 1);
        check("a launch", order, NODES, part(last)?.read::<u32>()?[0])?;
        let launched = median(rounds, || executable.launch("again"))?;
        println!("{:<12} {encoded:>16.1} {launched:>16.1}", order.name());
    }
    Ok(())
}

/// The median microseconds of one submission of a burst.
fn median(rounds: usize, submit: impl Fn() -> dacapo::Result<Submission>) -> Result<f64> {
    let mut times = Vec::with_capacity(rounds);
    // The first round warms up.
    for round in 0..=rounds {
        let mut spent = Duration::ZERO;
        for number in 1..=BURST {
            let started = Instant::now();
            let submission = submit()?;
            spent += started.elapsed();
            if number == BURST {
                submission.wait()?;
            }
        }
        if round > 0 {
            times.push(spent);
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6 / f64::from(BURST))
}
