//! Runs submissions, one after the other, wave by wave.
#![allow(unsafe_code, reason = "reads indirect grids from device memory")]

use core::any::Any;
use core::marker::PhantomData;
use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::backend::cpu::crew::Crew;
use crate::backend::cpu::encoder::{Command, CpuEncoder};
use crate::backend::cpu::launch::Part;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::workgroup::{Span, Workgroup};
use crate::backend::jobs::Jobs;
use crate::encoder::{Outcome, Recording};
use crate::error::Fault;
use crate::info::Limits;
use crate::panics;
use crate::sync::{AtomicBool, Mutex, lock};

/// Recordings on their way to the thread that leads the crew.
pub(super) type Queue = Jobs<Box<Recording>>;

/// Runs submissions with `crew` until the queue is closed and empty.
pub(super) fn lead(queue: &Queue, mut crew: Crew, limits: &Limits) {
    let scratch = Scratch::new(crew.workers());
    while let Some(mut recording) = queue.next() {
        recording.start();
        if recording.is_void() {
            recording.complete(Ok(()));
            continue;
        }
        let native: &mut dyn Any = &mut *recording.native;
        let outcome = match native.downcast_mut::<CpuEncoder>() {
            Some(commands) => run_all(commands, &mut crew, &scratch, limits),
            None => unreachable!("the recording was made by this device"),
        };
        recording.complete(outcome);
    }
}

/// The failure of one command, found by whichever worker was first.
struct Failure {
    command: usize,
    fault: Fault,
}

/// Runs a submission: the parts that it launches, and its own commands.
fn run_all(
    commands: &mut CpuEncoder,
    crew: &mut Crew,
    scratch: &Scratch,
    limits: &Limits,
) -> Result<(), Box<Outcome>> {
    commands.launch.update();
    for part in commands.launch.parts() {
        let part: &dyn Any = &**part;
        match part.downcast_ref::<Part>() {
            Some(part) => run(&mut lock(&part.0), crew, scratch, limits)?,
            None => unreachable!("the part was prepared by this device"),
        }
    }
    run(commands, crew, scratch, limits)?;
    commands.launch.fetch();
    Ok(())
}

fn run(
    commands: &mut CpuEncoder,
    crew: &mut Crew,
    scratch: &Scratch,
    limits: &Limits,
) -> Result<(), Box<Outcome>> {
    scratch.reserve(commands.max_shared_bytes as usize);
    if let Some(times) = &mut commands.times {
        times.restart(commands.commands.len());
    }
    let mut first = 0;
    let waves = commands.wave_ends.len() + 1;
    for wave in 0..waves {
        let end = commands
            .wave_ends
            .get(wave)
            .map_or(commands.commands.len(), |end| *end as usize);
        run_wave(commands, first..end, crew, scratch, limits).map_err(|failure| {
            let command = &commands.commands[failure.command];
            Box::new(Outcome {
                kernel: command.kernel.name().into(),
                scope: commands.scope_path(command).into(),
                fault: failure.fault,
            })
        })?;
        first = end;
    }
    Ok(())
}

fn run_wave(
    commands: &mut CpuEncoder,
    wave: Range<usize>,
    crew: &mut Crew,
    scratch: &Scratch,
    limits: &Limits,
) -> Result<(), Failure> {
    let mut first = wave.start;
    while first < wave.end {
        let (end, groups) = lay_out(&mut commands.commands, first..wave.end, limits)?;
        run_groups(commands, first..end, groups, crew, scratch)?;
        first = end;
    }
    Ok(())
}

/// Numbers the workgroups of as many commands as fit a `u32`; gives the end of those and their workgroups.
fn lay_out(
    commands: &mut [Command],
    wave: Range<usize>,
    limits: &Limits,
) -> Result<(usize, u32), Failure> {
    let mut groups = 0u32;
    for at in wave.clone() {
        let command = &mut commands[at];
        if let Some(span) = command.indirect {
            command.groups = read_grid(span);
            let workgroup = command.kernel.interface().workgroup();
            command.threads =
                core::array::from_fn(|axis| command.groups[axis].saturating_mul(workgroup[axis]));
        }
        let total = command
            .groups
            .iter()
            .map(|&n| u64::from(n))
            .try_fold(1, u64::checked_mul);
        let limit = limits.max_total_groups;
        let Some(total) = total
            .filter(|total| *total <= limit)
            .and_then(|total| u32::try_from(total).ok())
        else {
            let fault = Fault::IndirectGrid {
                groups: command.groups,
                limit,
            };
            return Err(Failure { command: at, fault });
        };
        match groups.checked_add(total) {
            Some(sum) => {
                command.first_group = groups;
                groups = sum;
            }
            None => return Ok((at, groups)),
        }
    }
    Ok((wave.end, groups))
}

fn read_grid(span: Span) -> [u32; 3] {
    // SAFETY: the encoder checked that the view holds 12 bytes, and the wave before, which may have written
    // them, has finished. Imported memory need not be aligned.
    unsafe { span.start.cast::<[u32; 3]>().read_unaligned() }
}

fn run_groups(
    commands: &CpuEncoder,
    wave: Range<usize>,
    groups: u32,
    crew: &mut Crew,
    scratch: &Scratch,
) -> Result<(), Failure> {
    let failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let fail = |command, fault| {
        failed.store(true, Ordering::Relaxed);
        lock(&failure).get_or_insert(Failure { command, fault });
    };
    let body = |range: Range<u32>, worker: usize| {
        if failed.load(Ordering::Relaxed) {
            return;
        }
        // The command of the first workgroup: the last one that starts at or before it.
        let in_wave = &commands.commands[wave.clone()];
        let mut at = in_wave.partition_point(|command| command.first_group <= range.start) - 1;
        let mut group = range.start;
        while group < range.end {
            let end = in_wave
                .get(at + 1)
                .map_or(range.end, |next| next.first_group.min(range.end));
            let own = group - in_wave[at].first_group..end - in_wave[at].first_group;
            let started = commands.times.as_ref().map(|_| Instant::now());
            let ran = catch_unwind(AssertUnwindSafe(|| {
                scratch.with(worker, in_wave[at].shared_bytes as usize, |shared| {
                    run_command(commands, &in_wave[at], own, shared)
                })
            }));
            if let (Some(times), Some(started)) = (&commands.times, started) {
                times.include(wave.start + at, [started, Instant::now()]);
            }
            match ran {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => return fail(wave.start + at, fault),
                Err(panic) => {
                    return fail(wave.start + at, Fault::Panic(panics::into_text(panic)));
                }
            }
            group = end;
            at += 1;
        }
    };
    if let Err(panic) = crew.run(groups, &body) {
        fail(wave.start, Fault::Panic(panics::into_text(panic)));
    }
    match lock(&failure).take() {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

fn run_command(
    commands: &CpuEncoder,
    command: &Command,
    groups: Range<u32>,
    shared: &mut [u8],
) -> Result<(), Fault> {
    let [x, y, _] = command.groups;
    let mut workgroup = Workgroup {
        id: [0; 3],
        groups: command.groups,
        threads: command.threads,
        bindings: command.kernel.interface().bindings(),
        spans: commands.spans_of(command),
        inline: commands.inline_of(command),
        shared,
        exclusive: PhantomData,
    };
    for group in groups {
        workgroup.id = [group % x, group / x % y, group / x / y];
        (command.entry)(&mut workgroup).map_err(|fault| Fault::Kernel(fault.into_message()))?;
    }
    Ok(())
}
