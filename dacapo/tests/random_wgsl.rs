//! Random programs give the same on the reference device and on a Vulkan device, bit for bit where WGSL leaves no choice.

mod common;
#[path = "../../dacapo-reference/tests/wgsl/mod.rs"]
mod wgsl;

use dacapo::{
    Backend, Bytes, Device, DeviceOptions, DeviceSelector, Grid, KernelSource, MemoryKind, Wgsl,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{TestCaseError, TestRunner};
use wgsl::{Program, Tolerance};

/// What all buffers hold afterwards, or what was reported.
fn run(device: &Device, program: &Program, text: String) -> dacapo::Result<Vec<Vec<u32>>> {
    let kernel = KernelSource::new("random").wgsl(Wgsl::new(text));
    let kernel = device.kernel(&kernel)?;
    let mut buffers = Vec::new();
    for bytes in program.buffers() {
        let buffer = device.buffer(bytes.len() as u64, MemoryKind::DeviceLocal)?;
        buffer.write(&bytes)?;
        buffers.push(buffer);
    }
    let [input, output, rough, totals, signed] = [0, 1, 2, 3, 4].map(|slot: usize| &buffers[slot]);
    let arguments = (
        input,
        output,
        rough,
        totals,
        signed,
        Bytes(&Program::INLINE),
    );
    let mut encoder = device.encoder("random")?;
    encoder.dispatch(&kernel, arguments, Grid::groups(program.groups()))?;
    encoder.commit()?.wait()?;
    buffers.iter().map(|buffer| buffer.read::<u32>()).collect()
}

fn reference() -> Device {
    let options = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Reference),
        ..DeviceOptions::default()
    };
    Device::open(&options).unwrap()
}

/// Where two results differ by more than they may.
fn difference(ours: &[Vec<u32>], theirs: &[Vec<u32>]) -> Option<String> {
    let slots = ours.iter().zip(theirs).enumerate();
    let mut words = slots.flat_map(|(slot, (ours, theirs))| {
        let words = ours.iter().zip(theirs).enumerate();
        words.map(move |(at, (a, b))| (slot, at, *a, *b))
    });
    words.find_map(|(slot, at, ours, theirs)| {
        let (a, b) = (f32::from_bits(ours), f32::from_bits(theirs));
        let same = match slot {
            Program::ROUGH => Tolerance::of(at).allows(a, b),
            _ => ours == theirs,
        };
        let text = || format!("slot {slot}, word {at}: {ours:#x} ({a}) on the reference device, {theirs:#x} ({b}) on the other");
        (!same).then(text)
    })
}

/// Where a GPU differs from the reference device, when it is given a text that was changed on the way.
fn compare(
    reference: &Device,
    gpu: &Device,
    program: &Program,
    change: impl Fn(String) -> String,
) -> Result<Option<String>, TestCaseError> {
    let run = |device, text| {
        run(device, program, text).map_err(|error| TestCaseError::fail(error.to_string()))
    };
    let text = program.text();
    let (ours, theirs) = (run(reference, text.clone())?, run(gpu, change(text))?);
    Ok(difference(&ours, &theirs))
}

#[test]
fn random_programs_give_the_same_on_a_gpu() {
    let Some(gpu) = common::vulkan(|_| ()) else {
        return;
    };
    let reference = reference();
    let mut runner = TestRunner::new(wgsl::config(100));
    let outcome = runner.run(&wgsl::programs(), |program| {
        match compare(&reference, &gpu, &program, |text| text)? {
            None => Ok(()),
            Some(text) => Err(TestCaseError::fail(text)),
        }
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// As if a device counted the wrong bits: the programs and the comparison above would see it.
#[test]
fn a_function_that_gives_something_else_is_seen() {
    let Some(gpu) = common::vulkan(|_| ()) else {
        return;
    };
    let reference = reference();
    let mut runner = TestRunner::deterministic();
    let seen = (0..60).any(|_| {
        let program = wgsl::programs().new_tree(&mut runner).unwrap().current();
        let change = |text: String| text.replace("countOneBits", "firstLeadingBit");
        compare(&reference, &gpu, &program, change)
            .unwrap()
            .is_some()
    });
    assert!(seen);
}
