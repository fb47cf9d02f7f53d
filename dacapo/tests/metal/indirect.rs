//! Executables as indirect command buffers, against the processor.

use dacapo::{
    Arg, Buffer, CommandEncoder, Device, DeviceOptions, Graph, Grid, Kernel, KernelSource,
    MemoryKind, PlanOptions, Split, Wgsl,
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
