//! Captured passes, and what plans make of them.

use dacapo::{Bytes, CommandEncoder, Error, Graph, PlanOptions, Reorder};

use crate::bench::Bench;
use crate::check::{Check, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel, stepped};
use crate::toys::{LEN, World, double, names, plus_one};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Graphs, name, run);
    vec![
        check("a capture runs nothing, a replay all of it", capture),
        check(
            "two operations are fused into one, and give the same",
            fused,
        ),
        check("what somebody else reads is not fused away", kept),
        check("independent chains share their waves", waves),
        check("a plan in program order keeps it", program_order),
        check("what cannot be captured is refused", not_captured),
    ]
}

fn capture(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 16));
    let before = device.counters();
    let graph = Graph::capture(device, |encoder| {
        (0..50u32).try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
    })?;
    ensure_eq!(graph.nodes().len(), 50, "nodes");
    ensure_eq!(graph.barriers().len(), 49, "barriers");
    let counted = device.counters() - before;
    ensure_eq!(
        (counted.dispatches, counted.submissions),
        (0, 0),
        "what ran at a capture"
    );
    same("the target", &target.read::<u32>()?, &[0; 16])?;
    let mut expected = 0;
    for _ in 0..5 {
        graph.replay("again")?.wait()?;
        expected = stepped(expected, 0..50);
        same(
            "the target after a replay",
            &target.read::<u32>()?,
            &[expected; 16],
        )?;
    }
    Ok(())
}

fn fused(bench: &Bench) -> Verdict {
    let world = World::new(bench.device.clone());
    let encode = |encoder: &mut CommandEncoder| {
        double(&world, encoder, &world.x, &world.t)?;
        plus_one(&world, encoder, &world.t, &world.y)?;
        encoder.discard(&world.t)
    };
    // Holds what it gives against live encoding, in every order, with rules and without.
    let plan = world.plan(encode);
    same("the kernels", &names(&plan), &["double_plus_one"])?;
    ensure_eq!(plan.report().fusion.counts().len(), 1, "rules that fired");
    Ok(())
}

fn kept(bench: &Bench) -> Verdict {
    let world = World::new(bench.device.clone());
    let plan = world.plan(|encoder| {
        double(&world, encoder, &world.x, &world.z)?;
        plus_one(&world, encoder, &world.z, &world.y)
    });
    same("the kernels", &names(&plan), &["double", "plus_one"])
}

fn waves(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let step = step_kernel(device);
    let targets: Vec<_> = (0..8).map(|_| buffer(device, 64)).collect();
    let graph = Graph::capture(device, |encoder| {
        // One chain after the other.
        targets.iter().try_for_each(|target| {
            (0..10u32).try_for_each(|value| encoder.dispatch(&step, (target, Bytes(&value)), one()))
        })
    })?;
    let plan = graph.plan(&PlanOptions::default())?;
    ensure_eq!(plan.waves().len(), 10, "waves of eight chains of ten");
    let executable = plan.instantiate()?;
    for round in 1..=3u32 {
        executable.launch("chains")?.wait()?;
        let expected = (0..round).fold(0, |x, _| stepped(x, 0..10));
        for target in &targets {
            same("a target", &target.read::<u32>()?, &[expected; 64])?;
        }
    }
    Ok(())
}

fn program_order(bench: &Bench) -> Verdict {
    let world = World::new(bench.device.clone());
    let graph = Graph::capture(&bench.device, |encoder| {
        double(&world, encoder, &world.x, &world.t)?;
        plus_one(&world, encoder, &world.t, &world.y)?;
        double(&world, encoder, &world.x, &world.z)
    })?;
    let options = PlanOptions {
        reorder: Reorder::Never,
        ..PlanOptions::default()
    };
    let plan = graph.plan(&options)?;
    let order: Vec<Option<u32>> = (0..3).map(|node| plan.captured_at(node)).collect();
    same("the order", &order, &[Some(0), Some(1), Some(2)])?;
    world.x.write(&[4u32; LEN as usize])?;
    plan.instantiate()?.launch("in order")?.wait()?;
    same("y", &world.y.read::<u32>()?, &[9; LEN as usize])?;
    same("z", &world.z.read::<u32>()?, &[8; LEN as usize])
}

fn not_captured(bench: &Bench) -> Verdict {
    ensure_refused!(
        Graph::concat(&[]),
        Error::NoGraphs,
        "a sequence of no graphs"
    );
    let device = &bench.device;
    let target = buffer(device, 4);
    let graph = Graph::capture(device, |encoder| encoder.fill(&target, 3))?;
    let twice = graph.then(&graph)?;
    ensure_eq!(twice.nodes().len(), 2, "nodes of a graph behind itself");
    twice.replay("twice")?.wait()?;
    same("the target", &target.read::<u8>()?, &[3; 16])
}
