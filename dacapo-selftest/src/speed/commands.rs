//! What commands cost the host.

use std::time::Instant;

use dacapo::{Bytes, Graph, PlanOptions};

use crate::behaviour::median;
use crate::bench::Bench;
use crate::check::Verdict;
use crate::kit::{buffer, one, step_kernel};

/// Dispatches of one submission.
const DISPATCHES: u32 = 300;

pub(super) fn measure(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 4));
    let rounds = bench.times(200, 20) as usize;
    // What happens once, such as growing memory.
    for _ in 0..3 {
        let mut encoder = device.encoder("warm")?;
        for value in 0..DISPATCHES {
            encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
        }
        encoder.commit()?.wait()?;
    }

    let mut trips = Vec::new();
    for value in 0..rounds as u32 {
        let began = Instant::now();
        let mut encoder = device.encoder("trip")?;
        encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
        encoder.commit()?.wait()?;
        trips.push(began.elapsed().as_secs_f64() * 1e6);
    }
    bench.figure(
        "one dispatch, from encoding to the end of its wait",
        median(trips),
        "us",
        rounds,
    );

    let few = rounds.min(40);
    let (mut encoded, mut committed) = (Vec::new(), Vec::new());
    for _ in 0..few {
        let began = Instant::now();
        let mut encoder = device.encoder("encode")?;
        for value in 0..DISPATCHES {
            encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
        }
        encoded.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(DISPATCHES));
        let began = Instant::now();
        let submission = encoder.commit()?;
        committed.push(began.elapsed().as_secs_f64() * 1e6);
        submission.wait()?;
    }
    let name = format!("encoding, of {DISPATCHES} dispatches each");
    bench.figure(name, median(encoded), "ns", few);
    bench.figure(
        format!("committing {DISPATCHES} dispatches"),
        median(committed),
        "us",
        few,
    );

    let graph = Graph::capture(device, |encoder| {
        (0..DISPATCHES)
            .try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
    })?;
    let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    executable.launch("warm")?.wait()?;
    let (mut launched, mut ran) = (Vec::new(), Vec::new());
    for _ in 0..few {
        let began = Instant::now();
        let submission = executable.launch("launch")?;
        launched.push(began.elapsed().as_secs_f64() * 1e6);
        submission.wait()?;
        ran.push(began.elapsed().as_secs_f64() * 1e6);
    }
    bench.figure(
        format!("launching {DISPATCHES} dispatches again"),
        median(launched),
        "us",
        few,
    );
    bench.figure("the same to the end of its wait", median(ran), "us", few);
    Ok(())
}
