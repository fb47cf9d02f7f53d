//! How fast memory is read and copied.

mod cpu;

use std::time::{Duration, Instant};

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Buffer, BufferView, Bytes, CommandEncoder, Device, DeviceKind, Error, Grid, Kernel,
    KernelSource, MemoryKind,
};

use super::error::{PeaksError, Result, check};
use super::rounds::{LONG, best, is_software, repeat, run};

/// Bytes per second.
pub(super) struct Memory {
    pub(super) read: f64,
    pub(super) copy: f64,
}

/// What memory is measured in, so that halves and pieces fit all bindings.
const UNIT: u64 = 128 << 10;

/// Bytes that are read for each that has to be free.
const SHARE: u64 = 4;

/// An idle GPU needs this long to reach its full clock.
const WAKING: Duration = Duration::from_millis(200);

/// Element `i` of what is read is `i` times this, with 32 bits: any that is missed or read twice shows in the sum.
const FACTOR: u32 = 0x9e37_79b1;

pub(super) fn measure(device: &Device) -> Result<Memory> {
    let bench = Bench::new(device)?;
    bench.write_pattern()?;
    bench.check_sum("sum", &bench.room)?;
    let began = Instant::now();
    while began.elapsed() < WAKING {
        bench.time_of_sum(bench.shapes[0])?;
    }
    Ok(Memory {
        read: bench.read()?,
        copy: bench.copy()?,
    })
}

struct Bench<'a> {
    device: &'a Device,
    pattern: Kernel,
    sum: Kernel,
    copy: Kernel,
    room: Buffer,
    sums: Buffer,
    /// Bytes of one binding at most.
    piece: u64,
    /// How many 16 bytes a workgroup may take, the best unknown.
    shapes: &'static [u32],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    /// 16 bytes that a workgroup takes.
    per_group: u32,
    /// The number of the first element, of 4 bytes.
    first: u32,
}

impl<'a> Bench<'a> {
    fn new(device: &'a Device) -> Result<Bench<'a>> {
        let shapes: &[u32] = match device.info().kind {
            DeviceKind::Cpu => &[16 << 10],
            DeviceKind::SoftwareGpu | DeviceKind::Reference => &[64 << 10],
            _ => &[2 << 10, 8 << 10, 32 << 10],
        };
        let room = room(device)?;
        let smallest = u64::from(shapes[0]) * 16;
        // A sum for each workgroup, and room to begin those of each piece where bindings may.
        let sums = 4 * room.len().div_ceil(smallest) + 256 * room.len().div_ceil(UNIT);
        Ok(Bench {
            device,
            pattern: device.kernel(
                &source("pattern", cpu::pattern, include_str!("pattern.wgsl"))
                    .binding::<[u32; 4]>(0, Access::Write),
            )?,
            sum: device.kernel(
                &source("sum", cpu::sum, include_str!("sum.wgsl"))
                    .binding::<[u32; 4]>(0, Access::Read)
                    .binding::<u32>(1, Access::Write),
            )?,
            copy: device.kernel(
                &source("copy_kernel", cpu::copy, include_str!("copy.wgsl"))
                    .binding::<[u32; 4]>(0, Access::Read)
                    .binding::<[u32; 4]>(1, Access::Write),
            )?,
            sums: device.buffer(sums, MemoryKind::DeviceLocal)?,
            piece: (device.limits().max_binding_bytes / UNIT * UNIT).max(UNIT),
            room,
            shapes,
        })
    }

    fn write_pattern(&self) -> Result<()> {
        run(self.device, |encoder| {
            for (first, piece) in self.pieces(&self.room)? {
                let params = Params {
                    per_group: self.shapes[0],
                    first: (first / 4) as u32,
                };
                let args = (&piece, Bytes(&params));
                encoder.dispatch(&self.pattern, args, grid(&piece, params.per_group))?;
            }
            Ok(())
        })
        .map(drop)
    }

    fn read(&self) -> Result<f64> {
        let mut times = Vec::new();
        for &shape in self.shapes {
            times.extend(repeat(LONG, || self.time_of_sum(shape))?);
        }
        Ok(self.room.len() as f64 / best(&times).as_secs_f64())
    }

    /// The first half to the second, with the device's own command and with a kernel.
    fn copy(&self) -> Result<f64> {
        let half = self.room.len() / 2;
        let (source, target) = (self.room.slice(..half)?, self.room.slice(half..)?);
        let mut times = repeat(LONG, || {
            run(self.device, |encoder| Ok(encoder.copy(&source, &target)?))
        })?;
        self.check_sum("copy", &target)?;
        self.write_pattern()?;
        for &shape in self.shapes {
            times.extend(repeat(LONG, || {
                run(self.device, |encoder| {
                    self.encode_copy(encoder, &source, &target, shape)
                })
            })?);
        }
        self.check_sum("copy_kernel", &target)?;
        Ok(half as f64 / best(&times).as_secs_f64())
    }

    fn encode_copy(
        &self,
        encoder: &mut CommandEncoder,
        source: &BufferView,
        target: &BufferView,
        per_group: u32,
    ) -> Result<()> {
        let params = Params {
            per_group,
            first: 0,
        };
        let pieces = self.pieces(source)?.into_iter().zip(self.pieces(target)?);
        for ((_, source), (_, target)) in pieces {
            let args = (&source, &target, Bytes(&params));
            encoder.dispatch(&self.copy, args, grid(&source, per_group))?;
        }
        Ok(())
    }

    fn time_of_sum(&self, shape: u32) -> Result<Duration> {
        run(self.device, |encoder| {
            self.encode_sum(encoder, &self.room, shape).map(drop)
        })
    }

    /// Encodes the sums of a view; gives where they will be.
    fn encode_sum(
        &self,
        encoder: &mut CommandEncoder,
        view: &BufferView,
        per_group: u32,
    ) -> Result<Vec<BufferView>> {
        let params = Params {
            per_group,
            first: 0,
        };
        let mut at = 0u64;
        let mut all = Vec::new();
        for (_, piece) in self.pieces(view)? {
            let len = 4 * groups(&piece, per_group);
            let sums = self.sums.slice(at..at + len)?;
            at = (at + len).next_multiple_of(256);
            let args = (&piece, &sums, Bytes(&params));
            encoder.dispatch(&self.sum, args, grid(&piece, per_group))?;
            all.push(sums);
        }
        Ok(all)
    }

    /// That `view` holds what the pattern begins with. `kernel` is what wrote it.
    fn check_sum(&self, kernel: &'static str, view: &BufferView) -> Result<()> {
        let mut sums = Vec::new();
        run(self.device, |encoder| {
            sums = self.encode_sum(encoder, view, self.shapes[0])?;
            Ok(())
        })?;
        let mut found = 0u32;
        for sums in sums {
            let parts = sums.read::<u32>()?;
            found = parts.into_iter().fold(found, u32::wrapping_add);
        }
        let expected = expected(view.len() / 4);
        check(self.device, kernel, found.into(), expected.into())
    }

    /// Parts that can be bound, each with where it begins.
    fn pieces(&self, view: &BufferView) -> Result<Vec<(u64, BufferView)>> {
        let starts = (0..view.len()).step_by(self.piece as usize);
        let piece = |start: u64| {
            let end = (start + self.piece).min(view.len());
            Ok((start, view.slice(start..end)?))
        };
        starts.map(piece).collect()
    }
}

/// The sum of the first `count` elements of the pattern.
fn expected(count: u64) -> u32 {
    let count = u128::from(count);
    let numbers = count * count.saturating_sub(1) / 2;
    (numbers as u32).wrapping_mul(FACTOR)
}

fn source(name: &'static str, cpu: dacapo::CpuEntry, wgsl: &'static str) -> KernelSource {
    KernelSource::new(name)
        .inline::<Params>()
        .cpu(cpu)
        .wgsl(super::wgsl::trusted(
            [include_str!("each.wgsl"), wgsl].concat(),
        ))
}

fn groups(piece: &BufferView, per_group: u32) -> u64 {
    piece.len().div_ceil(16 * u64::from(per_group))
}

fn grid(piece: &BufferView, per_group: u32) -> Grid<'static> {
    Grid::groups([groups(piece, per_group) as u32, 1, 1])
}

/// Memory far beyond the caches, if a quarter of what is free is as much.
fn room(device: &Device) -> Result<Buffer> {
    let enough = match device.info().kind {
        _ if is_software(device) => 128 << 20,
        DeviceKind::Cpu => 256 << 20,
        _ => 1 << 30,
    };
    let budget = device.memory_budget();
    let free = budget.budget.saturating_sub(budget.used);
    let mut len = (free / SHARE).min(enough) / UNIT * UNIT;
    let mut refused = None;
    while len >= UNIT {
        match device.buffer(len, MemoryKind::DeviceLocal) {
            Ok(room) => return Ok(room),
            // What is free may lie in pieces, or be gone by now.
            Err(error @ (Error::OutOfMemory { .. } | Error::OverBudget { .. })) => {
                refused = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
        len = len / 2 / UNIT * UNIT;
    }
    Err(match refused {
        Some(error) => error.into(),
        None => PeaksError::NoMemory {
            device: device.info().name.as_str().into(),
            free,
            needed: SHARE * UNIT,
        },
    })
}
