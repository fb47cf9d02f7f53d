//! How fast f32 numbers are multiplied and added in registers.

mod cpu;

use bytemuck::{Pod, Zeroable};
use dacapo::{Access, Bytes, Device, DeviceKind, Grid, KernelSource, MemoryKind};

use super::error::{Result, check};
use super::rounds::{LONG, best, enough_turns, is_software, repeat, run};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    /// Each number becomes `number * factor + summand`, as often as there are turns.
    factor: f32,
    summand: f32,
    turns: u32,
}

/// Numbers of a thread of a GPU.
const GPU_NUMBERS: u32 = 32;
/// Threads of a workgroup, as `multiply_add.wgsl` has them.
const THREADS: u32 = 256;

/// Numbers begin as small integers and grow by one with each turn: up to here they are exact.
const MOST_TURNS: u32 = (1 << 24) - 1024;

/// Operations per second.
pub(super) fn measure(device: &Device) -> Result<f64> {
    let source = KernelSource::new("multiply_add")
        .binding::<u32>(0, Access::Write)
        .inline::<Params>()
        .cpu(cpu::multiply_add)
        .wgsl(super::wgsl::trusted(
            include_str!("multiply_add.wgsl").to_owned(),
        ));
    let kernel = device.kernel(&source)?;
    // Each thread of a GPU, and each workgroup on the CPU, has a sum.
    let (groups, sums, numbers) = match device.info().kind {
        DeviceKind::Cpu => {
            let groups = 8 * device.info().compute_units;
            (groups, groups, cpu::NUMBERS as u32)
        }
        _ => {
            let groups = if is_software(device) { 64 } else { 4096 };
            (groups, groups * THREADS, GPU_NUMBERS)
        }
    };
    let found = device.buffer(4 * u64::from(sums), MemoryKind::DeviceLocal)?;
    let time = |turns| {
        run(device, |encoder| {
            let params = Params {
                factor: 1.0,
                summand: 1.0,
                turns,
            };
            let grid = Grid::groups([groups, 1, 1]);
            Ok(encoder.dispatch(&kernel, (&found, Bytes(&params)), grid)?)
        })
    };
    let turns = enough_turns(MOST_TURNS, time)?;
    let times = repeat(LONG, || time(turns))?;
    let sum = |all: u64, value: u32| all + u64::from(value);
    check(
        device,
        "multiply_add",
        found.read::<u32>()?.into_iter().fold(0, sum),
        (0..sums)
            .map(|at| expected(at, numbers, turns))
            .fold(0, sum),
    )?;
    let operations = 2.0 * f64::from(sums) * f64::from(numbers) * f64::from(turns);
    Ok(operations / best(&times).as_secs_f64())
}

/// The sum of so many numbers behind the last turn, which begin with `at % 256`, one more, and so on.
fn expected(at: u32, numbers: u32, turns: u32) -> u32 {
    let starts = numbers * (at % 256) + numbers * (numbers - 1) / 2;
    starts.wrapping_add(numbers.wrapping_mul(turns))
}
