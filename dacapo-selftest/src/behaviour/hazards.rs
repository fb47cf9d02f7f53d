//! Dispatches that touch the same bytes keep their order, and only they.

use dacapo::hazard::HazardKind;
use dacapo::{BarrierCause, Bytes, CommandEncoder, EncoderOptions, Hazards, Result};

use super::kernels::{add, threads};
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel, stepped};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Hazards, name, run);
    vec![
        check("a read behind a write waits", |bench| {
            pair(bench, HazardKind::ReadAfterWrite)
        }),
        check("a write behind a read waits", |bench| {
            pair(bench, HazardKind::WriteAfterRead)
        }),
        check("a write behind a write waits", |bench| {
            pair(bench, HazardKind::WriteAfterWrite)
        }),
        check("what touches other bytes does not wait", apart),
        check("a chain of many dispatches runs in order", chain),
        check("a serial encoder waits every time", serial),
        check("a barrier of the caller counts", explicit),
        check("two submissions see each other's writes", submissions),
    ]
}

fn encoder(bench: &Bench, hazards: Hazards) -> Result<CommandEncoder> {
    bench.device.encoder_with(EncoderOptions {
        label: "hazards",
        hazards: Some(hazards),
        ..EncoderOptions::default()
    })
}

/// Two dispatches over many elements, mirrored so that a race shows, with one conflict.
fn pair(bench: &Bench, kind: HazardKind) -> Verdict {
    let device = &bench.device;
    let len = u64::from(bench.times(1 << 16, 1 << 10));
    let add = add(device)?;
    let [a, b, c] = [(); 3].map(|()| buffer(device, len));
    let numbers: Vec<u32> = (0..len as u32).collect();
    for round in 0..bench.times(10, 2) {
        a.write(&numbers)?;
        b.write(&vec![5u32; len as usize])?;
        c.write(&vec![9u32; len as usize])?;
        let mut encoder = encoder(bench, Hazards::Auto)?;
        let (first, second) = match kind {
            HazardKind::ReadAfterWrite => ((&a, &b), (&b, &c)),
            HazardKind::WriteAfterRead => ((&a, &b), (&c, &a)),
            _ => ((&a, &b), (&c, &b)),
        };
        encoder.dispatch(&add, (first.0, first.1, Bytes(&(10 + round))), threads(len))?;
        encoder.dispatch(&add, (second.0, second.1, Bytes(&100u32)), threads(len))?;
        let found = match encoder.barriers() {
            [barrier] => match &barrier.cause {
                BarrierCause::Hazard(hazard) if barrier.before == 1 => hazard.kind,
                _ => return Err(Flaw::failed(format!("the barrier is {barrier}"))),
            },
            others => return Err(Flaw::failed(format!("{} barriers, not one", others.len()))),
        };
        ensure_eq!(found, kind, "the barrier's cause");
        encoder.commit()?.wait()?;
        let added =
            |values: &[u32], value: u32| values.iter().map(|x| x + value).collect::<Vec<u32>>();
        let first_result = added(&numbers, 10 + round);
        let (wanted_b, wanted) = match kind {
            HazardKind::ReadAfterWrite => (first_result.clone(), added(&first_result, 100)),
            HazardKind::WriteAfterRead => (first_result, vec![109; len as usize]),
            _ => (vec![109; len as usize], vec![109; len as usize]),
        };
        same("the first target", &b.read::<u32>()?, &wanted_b)?;
        same("the second target", &second.1.read::<u32>()?, &wanted)?;
    }
    Ok(())
}

fn apart(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let align = u64::from(device.limits().min_binding_alignment).max(16);
    let (add, source, target) = (
        add(device)?,
        buffer(device, align),
        buffer(device, 32 * align),
    );
    source.write(&vec![1u32; align as usize])?;
    target.write(&vec![0u32; 32 * align as usize])?;
    let mut encoder = encoder(bench, Hazards::Auto)?;
    for part in 0..32u32 {
        let first = u64::from(part) * 4 * align;
        let own = target.slice(first..first + 4 * align)?;
        encoder.dispatch(&add, (&source, &own, Bytes(&part)), threads(align))?;
    }
    ensure_eq!(
        encoder.barriers().len(),
        0,
        "barriers between parts of a buffer"
    );
    encoder.commit()?.wait()?;
    let parts = (0..32u32).flat_map(|part| vec![part + 1; align as usize]);
    same(
        "the target",
        &target.read::<u32>()?,
        &parts.collect::<Vec<u32>>(),
    )
}

fn chain(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 256));
    let count = bench.times(2000, 200);
    target.write(&[1u32; 256])?;
    let mut encoder = encoder(bench, Hazards::Auto)?;
    for value in 0..count {
        encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
    }
    ensure_eq!(
        encoder.barriers().len(),
        count as usize - 1,
        "barriers of a chain"
    );
    encoder.commit()?.wait()?;
    same(
        "the target",
        &target.read::<u32>()?,
        &[stepped(1, 0..count); 256],
    )
}

fn serial(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, targets) = (step_kernel(device), [buffer(device, 4), buffer(device, 4)]);
    let mut encoder = encoder(bench, Hazards::Serial)?;
    for value in 0..10u32 {
        let target = &targets[value as usize % 2];
        encoder.dispatch(&step, (target, Bytes(&value)), one())?;
    }
    let before = device.counters();
    encoder.commit()?.wait()?;
    let counted = device.counters() - before;
    ensure_eq!(counted.barriers(), 9, "barriers between ten dispatches");
    for (at, target) in targets.iter().enumerate() {
        let values = (0..10u32).filter(|value| *value as usize % 2 == at);
        same("a target", &target.read::<u32>()?, &[stepped(0, values); 4])?;
    }
    Ok(())
}

fn explicit(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 4));
    let before = device.counters();
    let mut encoder = encoder(bench, Hazards::Manual)?;
    for value in 0..20u32 {
        encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
        encoder.barrier();
    }
    encoder.commit()?.wait()?;
    let counted = device.counters() - before;
    ensure_eq!(counted.barriers_missing, 0, "barriers that were missing");
    same(
        "the target",
        &target.read::<u32>()?,
        &[stepped(0, 0..20); 4],
    )
}

fn submissions(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let len = u64::from(bench.times(1 << 16, 1 << 10));
    let (add, a, b) = (add(device)?, buffer(device, len), buffer(device, len));
    let rounds = bench.times(50, 6);
    a.write(&vec![0u32; len as usize])?;
    for round in 0..rounds {
        let (from, to) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let mut encoder = encoder(bench, Hazards::Auto)?;
        encoder.dispatch(&add, (from, to, Bytes(&1u32)), threads(len))?;
        ensure_eq!(encoder.barriers().len(), 0, "barriers of one dispatch");
        encoder.commit()?;
    }
    let last = if rounds.is_multiple_of(2) { &a } else { &b };
    same(
        "the last target",
        &last.read::<u32>()?,
        &vec![rounds; len as usize],
    )
}
