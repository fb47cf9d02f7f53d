//! What dispatches, barriers, launches and waiting cost by themselves.

mod cpu;

use std::time::{Duration, Instant};

use dacapo::{
    Access, Buffer, BufferView, Bytes, CommandEncoder, Device, DeviceKind, Executable, Graph, Grid,
    Kernel, KernelSource, MemoryKind, PlanOptions,
};

use super::error::{Result, check};
use super::rounds::{best, is_software, median, repeat, run};

/// Nanoseconds.
pub(super) struct Waves {
    pub(super) dispatch: f64,
    pub(super) barrier: f64,
}

/// How long each is measured.
const SHORT: Duration = Duration::from_millis(150);
/// Between the bindings of two dispatches.
const STRIDE: u64 = 256;
/// Nodes of what is launched: those of a small model's decode step.
const NODES: u32 = 800;
/// Launches made one after the other before the first is waited for.
const BURST: usize = 8;

/// A dispatch that can do nothing, and memory for many of them.
pub(super) struct Commands<'a> {
    device: &'a Device,
    /// Adds a number, which may be 0.
    kernel: Kernel,
    room: Buffer,
    /// Dispatches of the short submissions and of the long ones.
    counts: [u32; 2],
    /// Workgroups of each.
    groups: u32,
}

/// Which slots dispatches share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// None writes what another touches.
    Wave,
    /// Each reads what the one before it writes.
    Chain,
}

impl<'a> Commands<'a> {
    pub(super) fn new(device: &'a Device) -> Result<Commands<'a>> {
        let source = KernelSource::new("step")
            .binding::<u32>(0, Access::Read)
            .binding::<u32>(1, Access::Write)
            .inline::<u32>()
            .cpu(cpu::step)
            .wgsl(super::wgsl::trusted(include_str!("step.wgsl").to_owned()));
        let counts = if is_software(device) {
            [128, 640]
        } else {
            [512, 4096]
        };
        let slots = u64::from(counts[1].max(NODES)) + 1;
        let commands = Commands {
            device,
            kernel: device.kernel(&source)?,
            room: device.buffer(slots * STRIDE, MemoryKind::DeviceLocal)?,
            counts,
            // What is less than a workgroup for each thread does not wait for the others, and few dispatches are.
            groups: match device.info().kind {
                DeviceKind::Cpu => device.info().compute_units,
                _ => 1,
            },
        };
        commands.check()?;
        Ok(commands)
    }

    /// That a chain of steps is one: each waits for the one before it.
    fn check(&self) -> Result<()> {
        let count = self.counts[0];
        run(self.device, |encoder| {
            self.encode(encoder, Shape::Chain, count, 1)
        })?;
        let last = self.slot(count)?.slice(..4)?.read::<u32>()?;
        let found = last.first().copied().unwrap_or_default();
        check(self.device, "step", found.into(), count.into())
    }

    /// What dispatches and barriers cost.
    pub(super) fn waves(&self) -> Result<Waves> {
        let wave = self.slope(Shape::Wave)?;
        let chain = self.slope(Shape::Chain)?;
        Ok(Waves {
            dispatch: wave,
            barrier: (chain - wave).max(0.0),
        })
    }

    /// Nanoseconds that one more costs.
    fn slope(&self, shape: Shape) -> Result<f64> {
        let [few, many] = self.counts;
        let mut times = [Vec::new(), Vec::new()];
        // In turns, so that both see the same machine.
        repeat(SHORT, || {
            let mut all = Duration::ZERO;
            for (times, count) in times.iter_mut().zip(self.counts) {
                let time = run(self.device, |encoder| {
                    self.encode(encoder, shape, count, 0)?;
                    let barriers = if shape == Shape::Chain { count - 1 } else { 0 };
                    let found = encoder.barriers().len() as u64;
                    check(self.device, "step", found, barriers.into())
                })?;
                times.push(time);
                all += time;
            }
            Ok(all)
        })?;
        let [short, long] = times.map(|times| best(&times).as_secs_f64() * 1e9);
        let slope = (long - short) / f64::from(many - few);
        // On a busy machine the long ones may have been lucky.
        Ok(match slope > 0.0 {
            true => slope,
            false => long / f64::from(many),
        })
    }

    /// What a launch of prepared commands costs its caller.
    pub(super) fn launch(&self) -> Result<f64> {
        let executable = self.executable(NODES)?;
        let mut times = Vec::new();
        let burst = if is_software(self.device) { 2 } else { BURST };
        repeat(SHORT, || {
            let mut last = None;
            for _ in 0..burst {
                let began = Instant::now();
                last = Some(executable.launch("peaks")?);
                times.push(began.elapsed());
            }
            let began = Instant::now();
            if let Some(last) = last {
                last.wait()?;
            }
            Ok(began.elapsed())
        })?;
        Ok(median(&mut times).as_secs_f64() * 1e9)
    }

    /// From the launch of one dispatch until it is known to be complete.
    pub(super) fn round_trip(&self) -> Result<f64> {
        let executable = self.executable(1)?;
        let mut times = repeat(SHORT, || {
            let began = Instant::now();
            executable.launch("peaks")?.wait()?;
            Ok(began.elapsed())
        })?;
        Ok(median(&mut times).as_secs_f64() * 1e9)
    }

    fn executable(&self, nodes: u32) -> Result<Executable> {
        let graph = Graph::capture(self.device, |encoder| {
            self.encode(encoder, Shape::Chain, nodes, 0)
        })?;
        Ok(graph.plan(&PlanOptions::default())?.instantiate()?)
    }

    fn encode(
        &self,
        encoder: &mut CommandEncoder,
        shape: Shape,
        count: u32,
        amount: u32,
    ) -> Result<()> {
        for at in 0..count {
            let x = match shape {
                Shape::Wave => self.slot(0)?,
                Shape::Chain => self.slot(at)?,
            };
            let y = self.slot(at + 1)?;
            let grid = Grid::groups([self.groups, 1, 1]);
            encoder.dispatch(&self.kernel, (&x, &y, Bytes(&amount)), grid)?;
        }
        Ok(())
    }

    fn slot(&self, at: u32) -> Result<BufferView> {
        let start = u64::from(at) * STRIDE;
        Ok(self.room.slice(start..start + STRIDE)?)
    }
}
