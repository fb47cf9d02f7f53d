//! Runs submissions, one after the other, wave by wave.

use core::any::Any;
use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use dacapo_reference::report::Reports;
use dacapo_reference::{Action, Machine, Step};

use crate::backend::INDIRECT_BYTES;
use crate::backend::jobs::Jobs;
use crate::backend::reference::adapter::LIMITS;
use crate::backend::reference::encoder::ReferenceEncoder;
use crate::backend::reference::launch::Part;
use crate::backend::reference::reported::Before;
use crate::encoder::{Outcome, Recording};
use crate::error::Fault;
use crate::panics;
use crate::sync::lock;

/// Recordings on their way to the thread that runs them.
pub(super) type Queue = Jobs<Box<Recording>>;

/// Runs recordings.
pub(super) struct Runner<M> {
    /// Makes a machine: the first, and one after each that has panicked.
    make: M,
    machine: Machine,
    reports: Arc<Reports>,
    /// Whether reports fail no submission.
    collect: bool,
    /// Steps of the submission that have run.
    number: u64,
}

impl<M: Fn() -> Machine> Runner<M> {
    pub(super) fn new(make: M, reports: Arc<Reports>, collect: bool) -> Runner<M> {
        Runner {
            machine: make(),
            make,
            reports,
            collect,
            number: 0,
        }
    }

    /// Runs submissions until the queue is closed and empty.
    pub(super) fn lead(mut self, queue: &Queue) {
        while let Some(mut recording) = queue.next() {
            recording.start();
            if recording.is_void() {
                self.end_part(&recording);
                recording.complete(Ok(()));
                continue;
            }
            let outcome = self.run_recording(&mut recording);
            self.end_part(&recording);
            recording.complete(outcome);
        }
    }

    /// Numbers begin anew with the next submission.
    fn end_part(&mut self, recording: &Recording) {
        let submitted = recording.submitted.as_ref();
        if submitted.is_none_or(|submitted| submitted.is_last) {
            self.number = 0;
        }
    }

    fn run_recording(&mut self, recording: &mut Recording) -> Result<(), Box<Outcome>> {
        let label = recording.label.as_str().into();
        let native: &mut dyn Any = &mut *recording.native;
        let Some(commands) = native.downcast_mut::<ReferenceEncoder>() else {
            unreachable!("the recording was made by this device");
        };
        let before = Before::of(&self.reports);
        self.run_all(commands, &label)?;
        match before.failure(&self.reports) {
            Some(failure) if !self.collect => Err(Box::new(failure)),
            _ => Ok(()),
        }
    }

    /// Runs the parts that are launched, and then the encoder's own steps.
    fn run_all(
        &mut self,
        commands: &mut ReferenceEncoder,
        label: &Arc<str>,
    ) -> Result<(), Box<Outcome>> {
        commands.launch.update();
        for part in commands.launch.parts() {
            let part: &dyn Any = &**part;
            match part.downcast_ref::<Part>() {
                Some(part) => self.run(&mut lock(&part.0), label)?,
                None => unreachable!("the part was prepared by this device"),
            }
        }
        self.run(commands, label)?;
        commands.launch.fetch();
        Ok(())
    }

    fn run(
        &mut self,
        commands: &mut ReferenceEncoder,
        label: &Arc<str>,
    ) -> Result<(), Box<Outcome>> {
        for (step, in_scope) in commands.steps.iter_mut().zip(&commands.in_scope) {
            step.number = self.number;
            self.number += 1;
            if !in_scope {
                step.label = label.clone();
            }
        }
        commands.times.iter_mut().for_each(Vec::clear);
        for wave in commands.waves() {
            let started = Instant::now();
            let ran = read_grids(commands, wave.clone())
                .and_then(|()| self.run_wave(&commands.steps[wave.clone()]));
            ran.map_err(|(at, fault)| outcome(&commands.steps[wave.start + at], fault))?;
            if let Some(times) = &mut commands.times {
                times.extend(wave.map(|_| [started, Instant::now()]));
            }
        }
        Ok(())
    }

    /// Gives the step that failed, and why.
    fn run_wave(&mut self, wave: &[Step]) -> Result<(), (usize, Fault)> {
        match catch_unwind(AssertUnwindSafe(|| self.machine.run(wave))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(stopped)) => Err((stopped.step, Fault::Kernel(stopped.reason.into()))),
            Err(panic) => {
                self.machine = (self.make)();
                Err((0, Fault::Panic(panics::into_text(panic))))
            }
        }
    }
}

fn outcome(step: &Step, fault: Fault) -> Box<Outcome> {
    let kernel = match &step.action {
        Action::Kernel { program, .. } => program.name(),
        Action::Copy { .. } => "copy",
        Action::Fill { .. } => "fill",
    };
    Box::new(Outcome {
        kernel: kernel.into(),
        scope: (*step.label).into(),
        fault,
    })
}

/// Gives the steps of a wave their indirect grids; or the step whose grid passes a limit.
fn read_grids(commands: &mut ReferenceEncoder, wave: Range<usize>) -> Result<(), (usize, Fault)> {
    for (at, step) in commands.steps[wave].iter_mut().enumerate() {
        if let (Some(grid), Action::Kernel { groups, .. }) = (&step.grid, &mut step.action) {
            let mut bytes = [0; INDIRECT_BYTES as usize];
            grid.region.read(grid.range.start, &mut bytes);
            *groups = bytemuck::pod_read_unaligned(&bytes);
            check_grid(*groups).map_err(|fault| (at, fault))?;
        }
    }
    Ok(())
}

fn check_grid(groups: [u32; 3]) -> Result<(), Fault> {
    let total = groups.iter().map(|&n| u64::from(n));
    let total = total.clone().try_fold(1, u64::checked_mul);
    let limit = LIMITS.max_total_groups;
    if total.is_none_or(|total| total > limit) {
        return Err(Fault::IndirectGrid { groups, limit });
    }
    let mut axes = groups.into_iter().zip(LIMITS.max_groups);
    match axes.find(|(groups, limit)| groups > limit) {
        Some((_, limit)) => Err(Fault::IndirectGrid {
            groups,
            limit: limit.into(),
        }),
        None => Ok(()),
    }
}
