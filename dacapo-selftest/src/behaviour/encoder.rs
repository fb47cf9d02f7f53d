//! Encoding: what is refused, and what reaches kernels.

use dacapo::{
    Access, Arg, Bytes, Device, DispatchProblem, Error, Grid, Kernel, KernelSource, MemoryKind,
    Result, Wgsl,
};

use super::kernels::{add, echo, number, threads};
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Encoder, name, run);
    vec![
        check("arguments that do not fit are refused", arguments),
        check("views that cannot be bound are refused", views),
        check("grids that cannot run are refused", grids),
        check(
            "what is refused leaves the encoder as it was",
            refused_leaves_nothing,
        ),
        check("offsets of views reach kernels", offsets),
        check("inline bytes of every length reach kernels", inline_bytes),
        check(
            "direct grids of one to three axes run every workgroup",
            direct_grids,
        ),
        check("indirect grids run what the device wrote", indirect_grids),
        check("copies and fills of any bytes", copies_and_fills),
        check("1,000 encoders are dropped and nothing is left", dropped),
    ]
}

/// Slots 0 and 3, and 8 inline bytes.
fn picky(device: &Device) -> Result<Kernel> {
    let text = "
var<immediate> p: vec2<u32>;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64, 2) fn main() { y[0] = x[0] + p.x; }";
    let source = KernelSource::new("picky")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(3, Access::ReadWrite)
        .inline::<[u32; 2]>()
        .workgroup([64, 2, 1])
        .cpu(|_| Ok(()))
        .wgsl(Wgsl::new(text));
    device.kernel(&source)
}

const PARAMS: Bytes<'static, [u32; 2]> = Bytes(&[1, 2]);

/// Fails unless the call was refused for a problem that `is` the one, with a message that names the kernel.
fn refused(result: Result<()>, is: fn(&DispatchProblem) -> bool, what: &str) -> Verdict {
    match result {
        Ok(()) => Err(Flaw::failed(format!("{what}: not refused"))),
        Err(Error::Dispatch(error)) if is(&error.problem) => {
            let text = error.to_string();
            ensure!(text.contains("\"picky\""), "{what}: no kernel in {text:?}");
            Ok(())
        }
        Err(error) => Err(Flaw::failed(format!("{what}: refused otherwise: {error}"))),
    }
}

macro_rules! is {
    ($pattern:pat) => {
        |problem| matches!(problem, $pattern)
    };
}

fn arguments(bench: &Bench) -> Verdict {
    use DispatchProblem as P;
    let device = &bench.device;
    let (kernel, x, y) = (picky(device)?, buffer(device, 4), buffer(device, 4));
    let mut encoder = device.encoder("refusals")?;
    let mut try_with = |args: &[Arg<'_>]| encoder.dispatch(&kernel, args, one());
    let [a, b] = [Arg::view(&x), Arg::view(&y)];
    let params = || Arg::bytes(&[1u32, 2]);
    refused(
        try_with(&[a, params()]),
        is!(P::MissingSlot { slot: 3, .. }),
        "one view",
    )?;
    refused(
        try_with(&[params()]),
        is!(P::MissingSlot { slot: 0, .. }),
        "no view",
    )?;
    let twice = [a.slot(3), b.slot(3), params()];
    refused(
        try_with(&twice),
        is!(P::DoubledSlot { slot: 3 }),
        "a slot twice",
    )?;
    let unknown = [a, b.slot(1), params()];
    refused(
        try_with(&unknown),
        is!(P::UnknownSlot { slot: 1, .. }),
        "a slot that is not there",
    )?;
    let many = [a, b, a, params()];
    refused(
        try_with(&many),
        is!(P::TooManyArguments { given: 3, slots: 2 }),
        "three views",
    )?;
    refused(
        try_with(&[a, b]),
        is!(P::InlineBytes {
            given: 0,
            declared: 8
        }),
        "no bytes",
    )?;
    let short = [a, b, Arg::bytes(&7u8)];
    refused(
        try_with(&short),
        is!(P::InlineBytes { given: 1, .. }),
        "one byte",
    )?;
    let doubled = [a, b, params(), params()];
    refused(try_with(&doubled), is!(P::DoubledInline), "bytes twice")
}

fn views(bench: &Bench) -> Verdict {
    use DispatchProblem as P;
    let device = &bench.device;
    let (kernel, x, y) = (picky(device)?, buffer(device, 64), buffer(device, 64));
    let mut encoder = device.encoder("refusals")?;
    let empty = x.slice(8..8)?;
    let result = encoder.dispatch(&kernel, (&empty, &y, PARAMS), one());
    refused(result, is!(P::EmptyView { slot: 0, .. }), "an empty view")?;
    for offset in [256, 257, u64::MAX] {
        let result = encoder.dispatch(&kernel, (&x, Arg::view_at(&y, offset), PARAMS), one());
        refused(
            result,
            is!(P::EmptyView { slot: 3, .. }),
            "an offset behind the end",
        )?;
    }
    let odd = x.slice(2..)?;
    let result = encoder.dispatch(&kernel, (&odd, &y, PARAMS), one());
    refused(result, is!(P::Misaligned { slot: 0, .. }), "an odd offset")?;
    let (head, tail) = (y.slice(..256)?, y.slice(..128)?);
    let result = encoder.dispatch(&kernel, (&head, &tail, PARAMS), one());
    refused(
        result,
        is!(P::Overlap {
            written: 3,
            other: 0,
            ..
        }),
        "views that overlap",
    )?;
    let imported = device.import("weights", vec![0u8; 16])?;
    let result = encoder.dispatch(&kernel, (&x, &imported, PARAMS), one());
    refused(
        result,
        is!(P::ReadOnlyBuffer { slot: 3, .. }),
        "read-only memory",
    )?;
    let other = bench.another()?;
    let foreign = buffer(&other, 4);
    let result = encoder.dispatch(&kernel, (&foreign, &y, PARAMS), one());
    refused(
        result,
        is!(P::ForeignBuffer { slot: 0, .. }),
        "another device's memory",
    )?;
    let result = encoder.dispatch(&picky(&other)?, (&x, &y, PARAMS), one());
    refused(result, is!(P::ForeignKernel), "another device's kernel")
}

fn grids(bench: &Bench) -> Verdict {
    use DispatchProblem as P;
    let device = &bench.device;
    let (kernel, x, y) = (picky(device)?, buffer(device, 16), buffer(device, 16));
    let mut encoder = device.encoder("refusals")?;
    let mut try_with = |grid| encoder.dispatch(&kernel, (&x, &y, PARAMS), grid);
    for grid in [Grid::groups([1, 0, 1]), Grid::threads([200, 1, 0])] {
        refused(try_with(grid), is!(P::EmptyGrid { .. }), "an empty grid")?;
    }
    let result = try_with(Grid::groups([u32::MAX; 3]));
    refused(
        result,
        is!(P::GridTooLarge { .. }),
        "a grid of 2^96 workgroups",
    )?;
    let short = x.slice(..8)?;
    refused(
        try_with(Grid::indirect(&short)),
        is!(P::IndirectView { len: 8, .. }),
        "8 bytes of grid",
    )?;
    let odd = x.slice(1..14)?;
    let result = try_with(Grid::indirect(&odd));
    refused(
        result,
        is!(P::IndirectView { offset: 1, .. }),
        "a grid at offset 1",
    )?;
    refused(
        try_with(Grid::indirect(&y)),
        is!(P::IndirectOverlap { slot: 3 }),
        "a grid that is written",
    )?;
    let other = bench.another()?;
    let foreign = buffer(&other, 4);
    refused(
        try_with(Grid::indirect(&foreign)),
        is!(P::ForeignGrid { .. }),
        "another device's grid",
    )
}

fn refused_leaves_nothing(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 4));
    let mut encoder = device.encoder("mixed")?;
    let before = device.counters();
    for value in 1..=3u32 {
        encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
        ensure!(
            encoder.dispatch(&step, (&target,), one()).is_err(),
            "no inline bytes: not refused"
        );
    }
    encoder.commit()?.wait()?;
    ensure_eq!(
        (device.counters() - before).dispatches,
        3,
        "dispatches that ran"
    );
    same("the target", &target.read::<u32>()?, &[18; 4])
}

fn offsets(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let align = u64::from(device.limits().min_binding_alignment).max(4);
    let (kernel, count) = (add(device)?, 8);
    let (x, y) = (
        buffer(device, align * 2 * count),
        buffer(device, align * 2 * count),
    );
    let source: Vec<u32> = (0..2 * align as u32 * count as u32)
        .map(|at| 7 * at + 3)
        .collect();
    x.write(&source)?;
    let mut expected = vec![0u32; source.len()];
    y.write(&expected)?;
    let mut encoder = device.encoder("offsets")?;
    for at in 1..=count {
        // Four elements each, by a slice, by an offset of the binding, and by both.
        let (from, to) = (at * align, (2 * count - at) * align);
        let value = at as u32;
        let whole = x.slice(..from + 16)?;
        let target = y.slice(to..to + 16)?;
        let source = match at % 3 {
            0 => Arg::view_at(&whole, from),
            1 => Arg::view(&whole).slot(0),
            _ => Arg::view_at(&whole, from - align),
        };
        encoder.dispatch(&kernel, (source, &target, Bytes(&value)), threads(4))?;
        let first = match at % 3 {
            0 => from,
            1 => 0,
            _ => from - align,
        } as usize
            / 4;
        for element in 0..4 {
            expected[to as usize / 4 + element] = 7 * (first + element) as u32 + 3 + value;
        }
    }
    encoder.commit()?.wait()?;
    same("the targets", &y.read::<u32>()?, &expected)
}

fn echoes<const WORDS: usize>(device: &Device) -> Verdict
where
    [u32; WORDS]: bytemuck::Pod,
{
    if 4 * WORDS > device.limits().max_inline_bytes as usize {
        return Ok(());
    }
    let (kernel, short) = (echo::<WORDS>(device)?, echo::<1>(device)?);
    let targets = [buffer(device, WORDS as u64), buffer(device, WORDS as u64)];
    let scratch = buffer(device, 1);
    let values = |salt: u32| core::array::from_fn::<u32, WORDS, _>(|at| salt + at as u32);
    let mut encoder = device.encoder("echo")?;
    // Shorter ones between: what is bound must not be taken for what is asked.
    for (target, salt) in targets.iter().zip([1000u32, 2000]) {
        encoder.dispatch(&kernel, (target, Bytes(&values(salt))), one())?;
        encoder.dispatch(&short, (&scratch, Bytes(&[salt])), one())?;
    }
    encoder.commit()?.wait()?;
    for (target, salt) in targets.iter().zip([1000, 2000]) {
        same(
            &format!("{WORDS} words"),
            &target.read::<u32>()?,
            &values(salt),
        )?;
    }
    same("one word", &scratch.read::<u32>()?, &[2000])
}

fn inline_bytes(bench: &Bench) -> Verdict {
    let device = &bench.device;
    echoes::<1>(device)?;
    echoes::<2>(device)?;
    echoes::<3>(device)?;
    echoes::<7>(device)?;
    echoes::<16>(device)?;
    echoes::<31>(device)?;
    echoes::<32>(device)?;
    echoes::<64>(device)
}

fn direct_grids(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let kernel = number(device)?;
    for groups in [
        [1, 1, 1],
        [5, 1, 1],
        [1, 7, 1],
        [1, 1, 6],
        [2, 3, 4],
        [100, 3, 2],
    ] {
        let all: u32 = groups.iter().product();
        let target = buffer(device, u64::from(all) + 3);
        let mut encoder = device.encoder("grid")?;
        encoder.dispatch(&kernel, (&target,), Grid::groups(groups))?;
        encoder.commit()?.wait()?;
        let mut expected: Vec<u32> = (1..=all).collect();
        expected.extend([0; 3]);
        same(
            &format!("workgroups of {groups:?}"),
            &target.read::<u32>()?,
            &expected,
        )?;
    }
    Ok(())
}

fn indirect_grids(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (number, echo) = (number(device)?, echo::<3>(device)?);
    let align = u64::from(device.limits().min_binding_alignment).max(16);
    let (grids, target) = (buffer(device, align), buffer(device, 40));
    for (round, groups) in [[3u32, 1, 1], [2, 5, 1], [0, 4, 1], [1, 2, 17]]
        .into_iter()
        .enumerate()
    {
        target.write(&[0u32; 40])?;
        let grid = grids.slice(align * (round as u64 % 4)..align * (round as u64 % 4) + 12)?;
        let mut encoder = device.encoder("indirect")?;
        encoder.dispatch(&echo, (&grid, Bytes(&groups)), one())?;
        encoder.dispatch(&number, (&target,), Grid::indirect(&grid))?;
        ensure_eq!(
            encoder.barriers().len(),
            1,
            "barriers between a grid and its use"
        );
        encoder.commit()?.wait()?;
        let all = groups.iter().product::<u32>();
        let expected: Vec<u32> = (1..=40).map(|at| if at <= all { at } else { 0 }).collect();
        same(
            &format!("workgroups of {groups:?}"),
            &target.read::<u32>()?,
            &expected,
        )?;
    }
    Ok(())
}

fn copies_and_fills(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let source: Vec<u8> = (0..=250).collect();
    let (x, y) = (
        device.buffer(source.len() as u64, MemoryKind::DeviceLocal)?,
        device.buffer(source.len() as u64, MemoryKind::DeviceLocal)?,
    );
    x.write(&source)?;
    let mut expected = vec![0u8; source.len()];
    y.write(&expected)?;
    let mut encoder = device.encoder("bytes")?;
    for (from, to, len) in [
        (0, 0, 1),
        (3, 5, 2),
        (4, 8, 4),
        (17, 31, 33),
        (101, 128, 64),
        (1, 250, 1),
    ] {
        encoder.copy(&x.slice(from..from + len)?, &y.slice(to..to + len)?)?;
        let (from, to, len) = (from as usize, to as usize, len as usize);
        expected[to..to + len].copy_from_slice(&source[from..from + len]);
    }
    for (at, len, value) in [(1, 1, 0xab), (70, 7, 0xcd), (200, 40, 0xef), (64, 4, 1)] {
        encoder.fill(&y.slice(at..at + len)?, value)?;
        expected[at as usize..(at + len) as usize].fill(value);
    }
    encoder.commit()?.wait()?;
    same("the bytes", &y.read::<u8>()?, &expected)
}

fn dropped(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 64));
    target.write(&[0u32; 64])?;
    device.wait_idle()?;
    let (used, before) = (device.memory_budget().used, device.counters());
    for round in 0..1000u32 {
        let mut encoder = device.encoder("dropped")?;
        let temporary = buffer(device, 16);
        encoder.dispatch(&step, (&target, Bytes(&round)), one())?;
        if round % 10 == 0 {
            encoder.fill(&temporary, 1)?;
        }
        drop(temporary);
        drop(encoder);
    }
    device.wait_idle()?;
    ensure_eq!(
        (device.counters() - before).dispatches,
        0,
        "dispatches that ran"
    );
    ensure_eq!(device.memory_budget().used, used, "bytes in use");
    let mut encoder = device.encoder("kept")?;
    encoder.dispatch(&step, (&target, Bytes(&7u32)), one())?;
    encoder.commit()?.wait()?;
    same("the target", &target.read::<u32>()?, &[7; 64])
}
