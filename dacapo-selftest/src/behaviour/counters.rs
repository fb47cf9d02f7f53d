//! What a device counts.

use dacapo::{Bytes, Graph, PlanOptions};

use crate::bench::Bench;
use crate::check::{Check, Group, Verdict};
use crate::kit::{buffer, one, step_kernel};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Counters, name, run);
    vec![
        check(
            "submissions, dispatches and barriers are counted exactly",
            exact,
        ),
        check("replays and launches count what they run", replays),
        check("memory in use is counted and given back", memory),
        check("counters have names of their own", names),
    ]
}

fn exact(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, targets) = (step_kernel(device), [buffer(device, 4), buffer(device, 4)]);
    device.wait_idle()?;
    let before = device.counters();
    let mut encoder = device.encoder("counted")?;
    // x, y, x, y: the third waits, the fourth does not.
    for value in 0..4u32 {
        encoder.dispatch(&step, (&targets[value as usize % 2], Bytes(&value)), one())?;
    }
    encoder.barrier();
    encoder.fill(&targets[0], 0)?;
    encoder.commit()?.wait()?;
    let counted = device.counters() - before;
    ensure_eq!(counted.submissions, 1, "submissions");
    ensure_eq!(counted.dispatches, 5, "dispatches");
    ensure_eq!(
        (
            counted.barriers(),
            counted.barriers_explicit,
            counted.barriers_elided
        ),
        (2, 1, 2),
        "barriers, those of the caller, and those that were not needed"
    );
    ensure_eq!(counted.barriers_missing, 0, "missing barriers");
    Ok(())
}

fn replays(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 4));
    let graph = Graph::capture(device, |encoder| {
        (0..6u32).try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
    })?;
    let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    let before = device.counters();
    for _ in 0..10 {
        executable.launch("counted")?;
    }
    graph.replay("counted")?;
    device.wait_idle()?;
    let counted = device.counters() - before;
    ensure_eq!(counted.dispatches, 66, "dispatches of eleven times six");
    ensure_eq!(counted.replays, 11, "replays");
    ensure_eq!(counted.submissions, 11, "submissions");
    Ok(())
}

fn memory(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let before = device.memory_budget();
    let buffers: Vec<_> = (0..50).map(|_| buffer(device, 1024)).collect();
    let during = device.memory_budget();
    ensure_eq!(during.used - before.used, 50 * 4096, "bytes in use");
    ensure!(
        during.used <= during.budget,
        "more in use than the budget: {during:?}"
    );
    drop(buffers);
    device.wait_idle()?;
    ensure_eq!(
        device.memory_budget().used,
        before.used,
        "bytes in use afterwards"
    );
    Ok(())
}

fn names(bench: &Bench) -> Verdict {
    let counters = bench.device.counters();
    let mut names: Vec<&str> = counters.iter().map(|(name, ..)| name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    ensure_eq!(names.len(), all, "different names");
    Ok(())
}
