//! Executables as indirect command buffers, against the processor.

use dacapo::{
    Access, Arg, Buffer, Bytes, CommandEncoder, Device, DeviceOptions, Graph, Grid, Kernel,
    KernelSource, MemoryKind, Msl, PlanOptions, SharedMemory, Split, Wgsl,
};

use crate::common::metal;
use crate::double::{alone, count};

/// Reverses 64 words of a row through workgroup memory, plus a constant from far behind in the inline bytes.
const REVERSE: &str = "
struct P { row: u32, first: u32, far: array<vec4<u32>, FAR>, }
var<immediate> p: P;
var<workgroup> shared_words: array<u32, 64>;
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) thread: u32) {
    shared_words[thread] = words[p.row * 64u + thread];
    workgroupBarrier();
    words[p.row * 64u + thread] = shared_words[63u - thread] + p.far[FAR - 1].w;
}";

fn kernel(device: &Device, far: usize) -> Kernel {
    let text = REVERSE.replace("FAR", &far.to_string());
    let source = KernelSource::new("reverse").wgsl(Wgsl::new(text));
    device.kernel(&source).unwrap()
}

fn inline(row: u32, far: usize, last: u32) -> Vec<u32> {
    let mut words = vec![0; 4 + 4 * far];
    words[0] = row;
    words[3 + 4 * far] = last;
    words
}

fn encode(
    encoder: &mut CommandEncoder,
    kernel: &Kernel,
    words: &Buffer,
    (rows, far): (u32, usize),
    dispatches: u32,
) -> dacapo::Result<()> {
    for number in 0..dispatches {
        let inline = inline(number % rows, far, number);
        let args = [Arg::view(words), Arg::inline(bytemuck::cast_slice(&inline))];
        encoder.dispatch(kernel, &args[..], Grid::groups([1, 1, 1]))?;
    }
    Ok(())
}

/// What some dispatches leave of rows that begin as their own indices.
fn computed(device: &Device, shape: (u32, usize), dispatches: u32, split: usize) -> Vec<u32> {
    let (rows, far) = shape;
    let words: Vec<u32> = (0..rows * 64).collect();
    let buffer = device
        .buffer(4 * words.len() as u64, MemoryKind::DeviceLocal)
        .unwrap();
    buffer.write(&words).unwrap();
    let kernel = kernel(device, far);
    let graph = Graph::capture(device, |e| encode(e, &kernel, &buffer, shape, dispatches));
    let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
    let parts = Split {
        first: split,
        rest: split,
    };
    let executable = plan.instantiate_with(parts).unwrap();
    executable.launch("indirect").unwrap().wait().unwrap();
    buffer.read().unwrap()
}

/// The same in plain Rust.
fn expected((rows, _): (u32, usize), dispatches: u32) -> Vec<u32> {
    let mut words: Vec<u32> = (0..rows * 64).collect();
    for number in 0..dispatches {
        let row = &mut words[(number % rows) as usize * 64..][..64];
        row.reverse();
        row.iter_mut().for_each(|word| *word += number);
    }
    words
}

/// On a device with indirect command buffers, which are run `executions` times.
fn check(
    change: impl Fn(&mut DeviceOptions),
    shape: (u32, usize),
    dispatches: u32,
    executions: u64,
) {
    let _alone = alone();
    let Some(device) = metal(|options| {
        options.metal.indirect = true;
        change(options);
    }) else {
        return;
    };
    let before = count(c"icb_executions");
    let found = computed(&device, shape, dispatches, 20_000);
    assert_eq!(count(c"icb_executions") - before, executions);
    assert!(
        found == expected(shape, dispatches),
        "{dispatches} dispatches"
    );
}

#[test]
fn workgroup_memory_of_indirect_commands() {
    check(|_| (), (3, 1), 8, 1);
}

#[test]
fn inline_bytes_that_metal_does_not_copy() {
    // 16 bytes, then 300 times 16.
    check(|_| (), (2, 300), 5, 1);
}

#[test]
fn more_commands_than_an_indirect_command_buffer_has() {
    check(|_| (), (64, 1), 17_000, 2);
}

#[test]
fn without_a_residency_set() {
    check(
        |options| options.gpu_without.residency_sets = true,
        (3, 300),
        8,
        1,
    );
}

/// Reverses words through workgroup memory that the dispatch makes as long as they are.
const TURN: &str = "
#include <metal_stdlib>
using namespace metal;

kernel void turn(device uint *words         [[buffer(0)]],
                 constant uint2 &part       [[buffer(1)]],
                 threadgroup uint *scratch  [[threadgroup(0)]],
                 uint own                   [[thread_position_in_threadgroup]]) {
    for (uint at = own; at < part.y; at += 32) { scratch[at] = words[part.x + at]; }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint at = own; at < part.y; at += 32) { words[part.x + at] = scratch[part.y - 1 - at]; }
}";

/// First words and lengths: longer ones and shorter ones behind each other, so that no length serves for the next.
const PARTS: [[u32; 2]; 5] = [[0, 16], [100, 900], [8, 40], [500, 2000], [0, 4]];

/// The double fails a kernel without workgroup memory, and one that writes beyond it.
#[test]
fn workgroup_memory_that_is_as_long_as_an_indirect_command_says() {
    let _alone = alone();
    let Some(device) = metal(|options| options.metal.indirect = true) else {
        return;
    };
    // SAFETY: it is dispatched in one workgroup, with parts inside the words and memory as long as they are.
    let msl = unsafe { Msl::new(TURN, "turn") }.dynamic_threadgroup_memory(0);
    let source = KernelSource::new("turn")
        .binding::<u32>(0, Access::ReadWrite)
        .inline::<[u32; 2]>()
        .workgroup([32, 1, 1])
        .shared_memory(SharedMemory::Dynamic { max: 32 << 10 });
    let turn = device.kernel(&source.msl(msl)).unwrap();
    let mut words: Vec<u32> = (0..2500).collect();
    let buffer = device.buffer(10_000, MemoryKind::DeviceLocal).unwrap();
    buffer.write(&words).unwrap();
    let graph = Graph::capture(&device, |encoder| {
        PARTS.iter().try_for_each(|part| {
            let grid = Grid::groups([1, 1, 1]).with_shared_memory(4 * part[1]);
            encoder.dispatch(&turn, (&buffer, Bytes(part)), grid)
        })
    });
    let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
    let before = count(c"icb_executions");
    let executable = plan.instantiate().unwrap();
    executable.launch("turn").unwrap().wait().unwrap();
    assert_eq!(count(c"icb_executions") - before, 1);
    for [first, len] in PARTS.map(|part| part.map(|word| word as usize)) {
        words[first..first + len].reverse();
    }
    assert!(buffer.read::<u32>().unwrap() == words);
}
