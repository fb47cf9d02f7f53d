//! Rules of fusion for random programs, and the kernels that they put in the place of others.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{
    Access, Arg, Device, FusionRule, Grid, Kernel, KernelFault, KernelSource, Link, Unfit, Wgsl,
    Workgroup,
};

use super::play::Player;
use super::{CHUNK, mixed};

/// Rules over copies, fills and changes in place: links of every kind, and values that vanish in every way.
pub fn rules(player: &Player) -> Vec<FusionRule> {
    let vanishing = |from, to| Link::Vanishing { from, to };
    let twin = twin(&player.device);
    let (passed, shared) = (twin.clone(), twin);
    let twice = twice(&player.device, player.cell());
    vec![
        FusionRule::new(
            "copied on",
            &["copy", "copy"],
            &[vanishing((0, 1), (1, 0))],
            |found, encoder| Ok(encoder.copy(found.view(0, 0)?, found.view(1, 1)?)?),
        ),
        FusionRule::new(
            "filled on",
            &["fill", "copy"],
            &[vanishing((0, 0), (1, 0))],
            |found, encoder| {
                let value: u32 = found.inline(0)?;
                Ok(encoder.fill(found.view(1, 1)?, value as u8)?)
            },
        ),
        FusionRule::new(
            "changed twice",
            &["in place", "in place"],
            &[vanishing((0, 0), (1, 0))],
            move |found, encoder| {
                let seeds: [u32; 2] = [found.inline(0)?, found.inline(1)?];
                let view = found.view(1, 0)?;
                let [first, second] = [0, 1].map(|place| found.node(place).grid());
                let same = format!("{first:?}") == format!("{second:?}");
                if !same || second.indirect().is_some() {
                    return Err(Unfit::new("the two may have different grids"));
                }
                let grid = second.as_grid();
                Ok(encoder.dispatch(&twice, [Arg::view(view), Arg::bytes(&seeds)], grid)?)
            },
        ),
        FusionRule::new(
            "passed on",
            &["copy", "copy"],
            &[Link::Passed {
                from: (0, 1),
                to: (1, 0),
            }],
            move |found, encoder| {
                let args = (found.view(0, 0)?, found.view(0, 1)?, found.view(1, 1)?);
                Ok(encoder.dispatch(&passed, args, Grid::groups([1, 1, 1]))?)
            },
        ),
        FusionRule::new(
            "shared",
            &["copy", "copy"],
            &[Link::Shared((0, 0), (1, 0))],
            move |found, encoder| {
                let args = (found.view(0, 0)?, found.view(0, 1)?, found.view(1, 1)?);
                Ok(encoder.dispatch(&shared, args, Grid::groups([1, 1, 1]))?)
            },
        ),
    ]
}

fn cpu_twin(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let x = group.read::<u8>(0);
    for slot in [1, 2] {
        // SAFETY: there is one workgroup, and the slots do not overlap.
        unsafe { group.write::<u8>(slot, 0..x.len()) }.copy_from_slice(x);
    }
    Ok(())
}

/// One source, two targets.
fn twin(device: &Device) -> Kernel {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> z: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) first: u32) {
    for (var i = first; i < arrayLength(&x); i += 64u) { y[i] = x[i]; z[i] = x[i]; }
}";
    let source = KernelSource::new("twin")
        .binding::<u8>(0, Access::Read)
        .binding::<u8>(1, Access::Write)
        .binding::<u8>(2, Access::Write)
        .overwrites(1)
        .overwrites(2)
        .cpu(cpu_twin)
        .wgsl(Wgsl::new(text));
    device.kernel(&source).unwrap()
}

fn cpu_twice(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let [first, second]: [u32; 2] = group.inline();
    let from = group.id()[0] as usize * CHUNK;
    let len = group.len::<u8>(0);
    let (from, end) = (from.min(len), (from + CHUNK).min(len));
    // SAFETY: workgroup `n` alone touches chunk `n`.
    let bytes = unsafe { group.write::<u8>(0, from..end) };
    for (at, byte) in (from..).zip(bytes) {
        *byte = mixed(second, at, 0, mixed(first, at, 0, *byte));
    }
    Ok(())
}

/// Two changes in place, one after the other.
fn twice(device: &Device, cell: usize) -> Kernel {
    let text = format!(
        "override WORDS: u32;
var<immediate> seeds: vec2<u32>;
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
fn mixed(seed: u32, at: u32, old: u32) -> u32 {{ return ((seed ^ (old << 8u) ^ at) * 0x9e3779b1u) >> 24u; }}
@compute @workgroup_size({CHUNK}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    let at = id.x;
    if at * WORDS < arrayLength(&data) {{
        data[at * WORDS] = mixed(seeds.y, at, mixed(seeds.x, at, data[at * WORDS] & 0xffu));
    }}
}}"
    );
    let source = KernelSource::new("in place twice")
        .binding::<u8>(0, Access::ReadWrite)
        .inline::<[u32; 2]>()
        .workgroup([CHUNK as u32, 1, 1])
        .cpu(cpu_twice)
        .wgsl(Wgsl::new(text).constant("WORDS", (cell / 4) as f64));
    device.kernel(&source).unwrap()
}
