//! How fast matrices of f16, of the device's size, are multiplied and summed in f32, in registers.

use bytemuck::{Pod, Zeroable};
use dacapo::{Bytes, CooperativeMatrix, Device, Grid, KernelSource, MemoryKind};

use super::error::{Result, check};
use super::rounds::{LONG, best, enough_turns, is_software, repeat, run};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    turns: u32,
}

/// Different matrices on each side; each is multiplied with each of the other side.
const LEFT: u32 = 4;
const RIGHT: u32 = 2;
/// Subgroups of a workgroup.
const SUBGROUPS: u32 = 4;

/// Elements grow by at most 384 with each turn, which is for 16 columns: up to here they are exact.
const MOST_TURNS: u32 = 40_000;

/// The kernel for matrices of a size.
pub(super) fn text(matrix: CooperativeMatrix) -> String {
    let size = matrix.size();
    let ty = format!("coop_mat{size}x{size}");
    format!(
        "enable f16;
enable wgpu_cooperative_matrix;
const SIZE: u32 = {size}u;
alias Left = {ty}<f16, A>;
alias Right = {ty}<f16, B>;
alias Sum = {ty}<f32, C>;
{}",
        include_str!("products.wgsl")
    )
}

/// Operations per second, where the device multiplies matrices.
pub(super) fn measure(device: &Device) -> Result<Option<f64>> {
    let Some(gpu) = device.gpu() else {
        return Ok(None);
    };
    let Some(matrix) = gpu.cooperative_matrix else {
        return Ok(None);
    };
    let size = matrix.size();
    let source = KernelSource::new("matrix_products").wgsl(super::wgsl::trusted(text(matrix)));
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
    let expected = expected(size).wrapping_mul(turns).wrapping_mul(subgroups);
    check(device, "matrix_products", all.into(), expected.into())?;
    let products = f64::from(LEFT * RIGHT * subgroups) * f64::from(turns);
    let operations = 2.0 * f64::from(size).powi(3) * products;
    Ok(Some(operations / best(&times).as_secs_f64()))
}

/// The sum of all elements of all products of a subgroup in one turn.
fn expected(size: u32) -> u32 {
    let left = |row: u32, k: u32| (3 * row + k) % 5;
    let right = |column: u32, k: u32| (column + 2 * k) % 7;
    let mut all = 0;
    for row in 0..LEFT * size {
        for column in 0..RIGHT * size {
            all += (0..size)
                .map(|k| left(row, k) * right(column, k))
                .sum::<u32>();
        }
    }
    all
}
