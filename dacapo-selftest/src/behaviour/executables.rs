//! Passes that were recorded once and are launched again and again.

use dacapo::{
    Buffer, BufferView, Bytes, Device, Error, Executable, Graph, Grid, Launch, PlanOptions, Split,
    Update,
};

use super::kernels::{add, number, threads};
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel, stepped};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Executables, name, run);
    vec![
        check(
            "launches in flight run in order between other submissions",
            in_flight,
        ),
        check("an executable may go while its launches run", gone),
        check("every part of a plan runs, however it is cut", parts),
        check(
            "updates are written in their turn, and values brought back",
            values,
        ),
        check(
            "a patch changes constants, grids and bindings of later launches",
            patched,
        ),
        check("a patch that needs other barriers is refused", topology),
        check("indirect grids are read at every launch", indirect),
        check("threads launch one executable", from_threads),
    ]
}

/// Every wave is a part.
const SHORT: Split = Split { first: 1, rest: 1 };

/// `x = 3 x + value` for each value, one after the other.
fn steps(device: &Device, target: &BufferView, count: u32) -> dacapo::Result<Graph> {
    let step = step_kernel(device);
    Graph::capture(device, |encoder| {
        (0..count).try_for_each(|value| encoder.dispatch(&step, (target, Bytes(&value)), one()))
    })
}

fn in_flight(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 64));
    let plan = steps(device, &target, 7)?.plan(&PlanOptions::default())?;
    let executable = plan.instantiate_with(SHORT)?;
    let (mut submissions, mut expected) = (Vec::new(), 0);
    for round in 0..bench.times(100, 20) {
        submissions.push(executable.launch("round")?);
        let mut encoder = device.encoder("between")?;
        encoder.dispatch(&step, (&target, Bytes(&round)), one())?;
        submissions.push(encoder.commit()?);
        expected = stepped(stepped(expected, 0..7), [round]);
    }
    same("the target", &target.read::<u32>()?, &[expected; 64])?;
    for submission in &submissions {
        submission.wait()?;
        ensure!(submission.gpu_time().is_some(), "a submission has no time");
    }
    let numbers: Vec<u64> = submissions.iter().map(dacapo::Submission::number).collect();
    ensure!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "numbers of submissions do not rise: {numbers:?}"
    );
    Ok(())
}

fn gone(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let used = device.memory_budget().used;
    let (target, result) = (buffer(device, 64), buffer(device, 64));
    let graph = Graph::capture(device, |encoder| {
        encoder.fill(&target, 9)?;
        encoder.copy(&target, &result)
    })?;
    let executable = graph
        .plan(&PlanOptions::default())?
        .instantiate_with(SHORT)?;
    drop((graph, target));
    let launches = [executable.launch("one")?, executable.launch("two")?];
    drop(executable);
    same("the result", &result.read::<u8>()?, &[9; 256])?;
    device.wait_idle()?;
    drop((launches, result));
    let left = device.memory_budget().used.saturating_sub(used);
    ensure!(left <= 512, "{left} bytes are left in use");
    Ok(())
}

fn parts(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (target, count) = (buffer(device, 4), bench.times(300, 60));
    let plan = steps(device, &target, count)?.plan(&PlanOptions::default())?;
    let mut expected = 0;
    for (first, rest) in [(1, 1), (1, 7), (50, 100), (1000, 1)] {
        let submission = plan.replay_with("parts", Split { first, rest })?;
        expected = stepped(expected, 0..count);
        same("the target", &target.read::<u32>()?, &[expected; 4])?;
        submission.wait()?;
        let executable = plan.instantiate_with(Split { first, rest })?;
        executable.launch("recorded parts")?.wait()?;
        expected = stepped(expected, 0..count);
        same(
            "the target of a launch",
            &target.read::<u32>()?,
            &[expected; 4],
        )?;
    }
    Ok(())
}

/// Adds 1, three times over, to a copy of `x`: gives `27 x + 13` in `y`.
fn chain(device: &Device, x: &BufferView, y: &Buffer) -> dacapo::Result<Executable> {
    let step = step_kernel(device);
    let graph = Graph::capture(device, |encoder| {
        encoder.copy(x, y)?;
        (0..3).try_for_each(|_| encoder.dispatch(&step, (y, Bytes(&1u32)), one()))
    })?;
    graph.plan(&PlanOptions::default())?.instantiate()
}

fn values(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (x, y) = (buffer(device, 16), buffer(device, 16));
    x.write(&[0u32; 16])?;
    let executable = chain(device, &x, &y)?;
    let (early, late) = (x.slice(..8)?, x.slice(8..)?);
    let (mut launches, mut expected) = (Vec::new(), [0u32; 16]);
    let all = y.slice(..)?;
    for round in 0..40u32 {
        let (two, rest) = ([round, round + 1], [100 * round; 14]);
        let first = Update::new(&early, &two);
        let both = [Update::new(&late, &rest), first];
        // Now this, now that, so that recordings are used again for other things.
        let updates: &[Update<'_>] = match round % 3 {
            0 => &both[1..],
            1 => &both,
            _ => &[],
        };
        if round % 3 < 2 {
            expected[..2].copy_from_slice(&two);
        }
        if round % 3 == 1 {
            expected[2..].copy_from_slice(&rest);
        }
        let fetch = match round % 4 {
            0 => None,
            1 => Some(y.slice(4..12)?),
            _ => Some(all.clone()),
        };
        let launch = executable.launch_with(&Launch {
            label: "round",
            updates,
            fetch: fetch.as_ref(),
            ..Launch::default()
        })?;
        launches.push((launch, expected, round % 4));
    }
    for (launch, x, fetched) in launches {
        let y = x.map(|x| 27 * x + 13);
        let found = launch.fetched::<u32>()?;
        match fetched {
            0 => ensure!(
                found.is_empty(),
                "something was fetched that nobody asked for"
            ),
            1 => same("what was fetched", &found, &y[1..3])?,
            _ => same("what was fetched", &found, &y)?,
        }
    }
    Ok(())
}

/// `b = a + 1`, then `c = b + 10` and `d = b + 100` at the same time.
struct Diamond {
    buffers: [Buffer; 4],
    executable: Executable,
}

impl Diamond {
    fn new(device: &Device) -> dacapo::Result<Diamond> {
        let add = add(device)?;
        let buffers = [(); 4].map(|()| buffer(device, 64));
        for (buffer, value) in buffers.iter().zip([5u32, 0, 0, 0]) {
            buffer.write(&[value; 64])?;
        }
        let [a, b, c, d] = &buffers;
        let graph = Graph::capture(device, |encoder| {
            encoder.dispatch(&add, (a, b, Bytes(&1u32)), threads(64))?;
            encoder.dispatch(&add, (b, c, Bytes(&10u32)), threads(64))?;
            encoder.dispatch(&add, (b, d, Bytes(&100u32)), threads(64))
        })?;
        let executable = graph
            .plan(&PlanOptions::default())?
            .instantiate_with(SHORT)?;
        Ok(Diamond {
            buffers,
            executable,
        })
    }

    /// The first and the last element of `b`, `c` and `d`.
    fn read(&self) -> dacapo::Result<[[u32; 2]; 3]> {
        let mut ends = [[0; 2]; 3];
        for (ends, buffer) in ends.iter_mut().zip(&self.buffers[1..]) {
            let values = buffer.read::<u32>()?;
            *ends = [values[0], values[63]];
        }
        Ok(ends)
    }
}

fn patched(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let mut diamond = Diamond::new(device)?;
    diamond.executable.launch("as it is")?.wait()?;
    same("b, c and d", &diamond.read()?, &[[6; 2], [16; 2], [106; 2]])?;

    // A launch in flight keeps what it was launched with.
    let before = diamond.executable.launch("before")?;
    diamond
        .executable
        .patch(|patch| patch.set_inline(1, &20u32.to_ne_bytes()))?;
    before.wait()?;
    same(
        "after a launch from before",
        &diamond.read()?,
        &[[6; 2], [16; 2], [106; 2]],
    )?;
    diamond.executable.launch("constant")?.wait()?;
    same(
        "with another constant",
        &diamond.read()?,
        &[[6; 2], [26; 2], [106; 2]],
    )?;

    // A quarter of the threads.
    diamond.buffers[3].write(&[0u32; 64])?;
    diamond
        .executable
        .patch(|patch| patch.set_grid(2, threads(16)))?;
    diamond.executable.launch("grid")?.wait()?;
    same(
        "with a smaller grid",
        &diamond.read()?,
        &[[6; 2], [26; 2], [106, 0]],
    )?;

    let other = buffer(device, 64);
    other.write(&[40u32; 64])?;
    diamond
        .executable
        .patch(|patch| patch.rebind(0, 0, &other))?;
    diamond.executable.launch("binding")?.wait()?;
    same(
        "with another input",
        &diamond.read()?,
        &[[41; 2], [61; 2], [141, 0]],
    )
}

fn topology(bench: &Bench) -> Verdict {
    let mut diamond = Diamond::new(&bench.device)?;
    let [_, _, c, _] = diamond.buffers.clone();
    // Both would write the same memory in one wave.
    let result = diamond.executable.patch(|patch| patch.rebind(2, 1, &c));
    ensure_refused!(result, Error::TopologyChanged(_), "two writers in one wave");
    let result = diamond
        .executable
        .patch(|patch| patch.set_inline(1, &[0; 3]));
    ensure_refused!(result, Error::Patch(_), "three bytes for four");
    let result = diamond
        .executable
        .patch(|patch| patch.set_inline(9, &[0; 4]));
    ensure_refused!(result, Error::Patch(_), "a node that is not there");
    diamond.executable.launch("as it was")?.wait()?;
    same(
        "after refused patches",
        &diamond.read()?,
        &[[6; 2], [16; 2], [106; 2]],
    )
}

fn indirect(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (kernel, grid, target) = (number(device)?, buffer(device, 3), buffer(device, 64));
    let graph = Graph::capture(device, |encoder| {
        encoder.fill(&target, 0)?;
        encoder.dispatch(&kernel, (&target,), Grid::indirect(&grid))
    })?;
    let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    for groups in [[1u32, 1, 1], [64, 1, 1], [0, 1, 1], [5, 3, 2]] {
        let whole = grid.slice(..)?;
        let launch = executable.launch_with(&Launch {
            label: "indirect",
            updates: &[Update::new(&whole, &groups)],
            fetch: Some(&target),
            ..Launch::default()
        })?;
        let all = groups.iter().product::<u32>();
        let expected: Vec<u32> = (1..=64).map(|at| if at <= all { at } else { 0 }).collect();
        same(
            &format!("workgroups of {groups:?}"),
            &launch.fetched::<u32>()?,
            &expected,
        )?;
    }
    Ok(())
}

fn from_threads(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let target = buffer(device, 4);
    let executable = steps(device, &target, 5)?
        .plan(&PlanOptions::default())?
        .instantiate()?;
    let each = bench.times(25, 5);
    let failed = std::thread::scope(|scope| {
        let launches = || (0..each).try_for_each(|_| executable.launch("from a thread")?.wait());
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(launches)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .filter_map(|ended| match ended {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("a thread panicked".to_owned()),
            })
            .next()
    });
    if let Some(reason) = failed {
        return Err(Flaw::failed(reason));
    }
    let expected = (0..4 * each).fold(0, |x, _| stepped(x, 0..5));
    same("the target", &target.read::<u32>()?, &[expected; 4])
}
