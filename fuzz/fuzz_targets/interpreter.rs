//! Any text as WGSL for the reference interpreter: whatever naga accepts is run or refused, and never panics. Seeds:
//! `dacapo-reference/tests/faults`.
#![no_main]

use std::sync::LazyLock;

use dacapo::{
    Arg, Backend, Buffer, Device, DeviceOptions, DeviceSelector, Error, Fault, Grid, KernelSource,
    MemoryKind, Wgsl,
};
use libfuzzer_sys::fuzz_target;

/// Bytes of each buffer.
const BYTES: u64 = 256;

fuzz_target!(|text: &str| {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // naga's panics are caught where it is called, and its own to mend.
            if !info.location().is_some_and(|at| at.file().contains("naga")) {
                hook(info);
            }
        }));
        let mut options = DeviceOptions {
            device: DeviceSelector::Backend(Backend::Reference),
            threads: std::num::NonZeroUsize::new(1),
            ..DeviceOptions::default()
        };
        options.reference.collect = true;
        options.reference.finite = true;
        options.reference.steps = 20_000;
        Device::open(&options).expect("the interpreter")
    });
    let Ok(kernel) = DEVICE.kernel(&KernelSource::new("fuzzed").wgsl(Wgsl::new(text.to_owned())))
    else {
        return;
    };
    let interface = kernel.interface();
    let buffers: Vec<Buffer> = interface
        .bindings()
        .iter()
        .map(|_| {
            DEVICE
                .buffer(BYTES, MemoryKind::DeviceLocal)
                .expect("memory")
        })
        .collect();
    for (at, buffer) in buffers.iter().enumerate().skip(1) {
        let bytes: Vec<u8> = (0..BYTES)
            .map(|byte| (byte * 7 + at as u64) as u8)
            .collect();
        buffer.write(&bytes).expect("a write");
    }
    let inline = vec![3; interface.inline_bytes() as usize];
    let mut args: Vec<Arg<'_>> = buffers.iter().map(|buffer| Arg::from(&**buffer)).collect();
    if !inline.is_empty() {
        args.push(Arg::inline(&inline));
    }
    let mut encoder = DEVICE.encoder("fuzzed").expect("an encoder");
    if encoder
        .dispatch(&kernel, &args[..], Grid::groups([2, 1, 1]))
        .is_err()
    {
        return;
    }
    match encoder.commit().expect("a submission").wait() {
        Err(Error::Submission(failure)) if matches!(failure.fault, Fault::Panic(_)) => {
            panic!("{failure}")
        }
        _ => {}
    }
});
