//! How fast 16x16 matrices of f16 are multiplied and summed in f32, in registers.

use bytemuck::{Pod, Zeroable};
use dacapo::{Bytes, Device, Grid, KernelSource, MemoryKind};

use super::error::{Result, check};
use super::rounds::{LONG, best, enough_turns, is_software, repeat, run};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    turns: u32,
}

/// The text of the kernel.
pub(super) const WGSL: &str = include_str!("products.wgsl");

const SIZE: u32 = 16;
/// Different matrices on each side; each is multiplied with each of the other side.
const LEFT: u32 = 4;
const RIGHT: u32 = 2;
/// Subgroups of a workgroup.
const SUBGROUPS: u32 = 4;

/// Elements grow by at most 384 with each turn: up to here they are exact.
const MOST_TURNS: u32 = 40_000;

/// Operations per second, where the device multiplies matrices.
pub(super) fn measure(device: &Device) -> Result<Option<f64>> {
    let Some(gpu) = device.gpu().filter(|gpu| gpu.cooperative_matrix) else {
        return Ok(None);
    };
    let source = KernelSource::new("matrix_products").wgsl(super::wgsl::trusted(WGSL.to_owned()));
    let kernel = device.kernel(&source)?;
    let groups = if is_software(device) { 8 } else { 2048 };
    let sums = u64::from(groups * SUBGROUPS * gpu.subgroup_size);
    let found = device.buffer(4 * sums, MemoryKind::DeviceLocal)?;
    let time = |turns| {
        run(device, |encoder| {
            let grid = Grid::groups([groups, 1, 1]);
            let args = (&found, Bytes(&Params { turns }));
            Ok(encoder.dispatch(&kernel, args, grid)?)
        })
    };
    let turns = enough_turns(MOST_TURNS, time)?;
    let times = repeat(LONG, || time(turns))?;
    // Sums of 32 bits wrap, and so does what they add up to.
    let all = found.read::<u32>()?.into_iter().fold(0, u32::wrapping_add);
    let subgroups = groups * SUBGROUPS;
    let expected = expected().wrapping_mul(turns).wrapping_mul(subgroups);
    check(device, "matrix_products", all.into(), expected.into())?;
    let products = f64::from(LEFT * RIGHT * subgroups) * f64::from(turns);
    let operations = 2.0 * f64::from(SIZE).powi(3) * products;
    Ok(Some(operations / best(&times).as_secs_f64()))
}

/// The sum of all elements of all products of a subgroup in one turn.
fn expected() -> u32 {
    let left = |row: u32, k: u32| (3 * row + k) % 5;
    let right = |column: u32, k: u32| (column + 2 * k) % 7;
    let mut all = 0;
    for row in 0..LEFT * SIZE {
        for column in 0..RIGHT * SIZE {
            all += (0..SIZE)
                .map(|k| left(row, k) * right(column, k))
                .sum::<u32>();
        }
    }
    all
}
