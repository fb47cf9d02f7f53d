//! The kernels of random programs, for the processor and for GPUs.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{Access, CpuEntry, Device, Kernel, KernelFault, KernelSource, Wgsl, Workgroup};

use super::{CHUNK, Kind, Use, digest, grid_from, mixed};

/// Bytes of memory that stand for one byte of a program: bindings must start at multiples of it, and WGSL has no
/// bytes.
pub(super) fn cell(device: &Device) -> usize {
    match device.gpu() {
        Some(_) => device.limits().min_binding_alignment.max(4) as usize,
        None => 1,
    }
}

macro_rules! entry {
    ($kind:expr) => {
        |group| {
            outputs_and_inputs(group, $kind);
            Ok(())
        }
    };
}

pub(super) fn compile(device: &Device) -> Vec<(Kind, Kernel)> {
    let kernel = |kind: Kind, name: &'static str, entry: CpuEntry| {
        let words = (cell(device) / 4) as f64;
        let wgsl = Wgsl::new(text(kind));
        let mut source = KernelSource::new(name)
            .inline::<u32>()
            .workgroup([CHUNK as u32, 1, 1])
            .cpu(entry)
            .wgsl(wgsl.constant("WORDS", words));
        for (slot, access) in kind.uses().iter().enumerate() {
            let access = match access {
                (true, true) => Access::ReadWrite,
                (true, false) => Access::Read,
                _ => Access::Write,
            };
            source = source.binding::<u8>(slot as u32, access);
        }
        if kind == Kind::Wild {
            source = source.touches_anything();
        }
        (kind, device.kernel(&source).unwrap())
    };
    vec![
        kernel(Kind::Mix, "mix", entry!(Kind::Mix)),
        kernel(Kind::Map, "map", entry!(Kind::Map)),
        kernel(Kind::Blend, "blend", entry!(Kind::Blend)),
        kernel(Kind::InPlace, "in place", entry!(Kind::InPlace)),
        kernel(Kind::Two, "two", entry!(Kind::Two)),
        kernel(Kind::Wild, "wild", entry!(Kind::Wild)),
        kernel(Kind::SetGrid, "set grid", set_grid),
    ]
}

fn outputs_and_inputs(group: &mut Workgroup<'_>, kind: Kind) {
    let mut inputs = 0u32;
    for (slot, (_, writes)) in kind.uses().iter().enumerate() {
        if !writes {
            inputs = inputs.rotate_left(5) ^ digest(group.read::<u8>(slot as u32));
        }
    }
    let ([x, y, z], [gx, gy, _]) = (group.id(), group.groups());
    let first = (x + gx * (y + gy * z)) as usize * CHUNK;
    for (slot, (reads, writes)) in kind.uses().iter().enumerate() {
        let slot = slot as u32;
        let len = group.len::<u8>(slot);
        if !writes || first >= len {
            continue;
        }
        let range = first..(first + CHUNK).min(len);
        // SAFETY: workgroup `n` alone touches chunk `n`.
        let output = unsafe { group.write::<u8>(slot, range) };
        for (at, byte) in output.iter_mut().enumerate() {
            let old = if *reads { *byte } else { 0 };
            *byte = mixed(group.inline(), first + at, inputs, old);
        }
    }
}

fn set_grid(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let grid = grid_from(digest(group.read::<u8>(0)) ^ group.inline::<u32>());
    if group.id() == [0; 3] {
        // SAFETY: only the first workgroup writes.
        let output = unsafe { group.write::<u8>(1, 0..12) };
        for (bytes, axis) in output.chunks_mut(4).zip(grid) {
            bytes.copy_from_slice(&axis.to_ne_bytes());
        }
    }
    Ok(())
}

const COMMON: &str = "
// Words of a cell, whose first byte is the one that counts.
override WORDS: u32;
var<immediate> seed: u32;

fn rotated(x: u32, by: u32) -> u32 { return (x << by) | (x >> ((32u - by) & 31u)); }

fn mixed(at: u32, inputs: u32, old: u32) -> u32 {
    let x = seed ^ rotated(inputs, at % 31u) ^ (old << 8u) ^ at;
    return (x * 0x9e3779b1u) >> 24u;
}
";

/// The same in WGSL: each thread mixes one cell of each output.
fn text(kind: Kind) -> String {
    let mut text = COMMON.to_owned();
    let mut body = String::from("    var inputs = 0u;\n");
    let slots = || kind.uses().iter().enumerate();
    for (slot, (_, writes)) in slots() {
        let mode = if *writes { "read_write" } else { "read" };
        text += &format!("@group(0) @binding({slot}) var<storage, {mode}> b{slot}: array<u32>;\n");
        if !writes {
            text += &format!(
                "fn digest{slot}() -> u32 {{
    var hash = 0x811c9dc5u;
    for (var at = 0u; at < arrayLength(&b{slot}); at += WORDS) {{
        hash = (hash ^ (b{slot}[at] & 0xffu)) * 0x01000193u;
    }}
    return hash;
}}\n"
            );
            body += &format!("    inputs = rotated(inputs, 5u) ^ digest{slot}();\n");
        }
    }
    body += &match kind {
        Kind::SetGrid => SET_GRID.to_owned(),
        _ => slots()
            .filter(|(_, (_, writes))| *writes)
            .map(output)
            .collect(),
    };
    text + &format!(
        "@compute @workgroup_size({CHUNK})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {{
    let at = (group.x + groups.x * (group.y + groups.y * group.z)) * {CHUNK}u + thread;
{body}}}\n"
    )
}

fn output((slot, (reads, _)): (usize, &Use)) -> String {
    let word = format!("b{slot}[at * WORDS]");
    let old = match reads {
        true => format!("{word} & 0xffu"),
        false => "0u".to_owned(),
    };
    format!("    if at * WORDS < arrayLength(&b{slot}) {{ {word} = mixed(at, inputs, {old}); }}\n")
}

const SET_GRID: &str = "    inputs ^= seed;
    if at == 0u {
        b1[0] = inputs % 7u;
        b1[1] = 1u + inputs / 7u % 2u;
        b1[2] = 1u;
    }
";
