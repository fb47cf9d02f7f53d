//! What checks and tests begin with: a device, a buffer of zeros, and a kernel that shows in which order it ran.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use std::io::Write;

use dacapo::{
    Access, Backend, Buffer, Device, DeviceOptions, Grid, Kernel, KernelFault, KernelSource,
    MemoryKind, Wgsl, Workgroup,
};

/// The device that tests use of a GPU's backend, which `options` select. `DACAPO_TEST_VULKAN` and `DACAPO_TEST_METAL` say
/// whether there must be one (`require`), or none is to be used (`off`); otherwise it is used if it is there. Metal is
/// looked for where dacapo has it.
///
/// # Panics
/// If there must be one and there is none.
pub fn gpu(backend: Backend, options: &DeviceOptions) -> Option<Device> {
    let variable = format!("DACAPO_TEST_{}", backend.to_string().to_uppercase());
    let wish = std::env::var(&variable).unwrap_or_default();
    let has_metal = cfg!(any(target_vendor = "apple", dacapo_metal_double));
    if wish == "off" || (backend == Backend::Metal && !has_metal) {
        return None;
    }
    match Device::open(options) {
        Ok(device) => Some(device),
        Err(error) if wish == "require" => panic!("a device of {backend} is required: {error}"),
        Err(error) => {
            say(&format!("NOT RUN on {backend}: {error}"));
            None
        }
    }
}

/// Says something even if the test passes: `eprintln` would only be shown if it failed.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Zeros, which the interpreter knows to be meant.
///
/// # Panics
/// If the device has no memory.
pub fn buffer(device: &Device, elements: u64) -> Buffer {
    let buffer = device
        .buffer(elements * 4, MemoryKind::DeviceLocal)
        .unwrap();
    if device.info().backend == Backend::Reference {
        buffer.write(&vec![0u32; elements as usize][..]).unwrap();
    }
    buffer
}

fn add(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let (value, len) = (group.inline::<u32>(), group.len::<u32>(0));
    // SAFETY: there is one workgroup.
    let target = unsafe { group.write::<u32>(0, 0..len) };
    target
        .iter_mut()
        .for_each(|x| *x = x.wrapping_mul(3).wrapping_add(value));
    Ok(())
}

const STEP: &str = "
var<immediate> value: u32;
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) first: u32) {
    for (var at = first; at < arrayLength(&data); at += 64) {
        data[at] = 3 * data[at] + value;
    }
}";

/// `x = 3 x + value`, in place: the order of several shows.
///
/// # Panics
/// If the device refuses it.
pub fn step_kernel(device: &Device) -> Kernel {
    let source = KernelSource::new("step")
        .binding::<u32>(0, Access::ReadWrite)
        .inline::<u32>()
        .cpu(add)
        .wgsl(Wgsl::new(STEP));
    device.kernel(&source).unwrap()
}

/// What so many steps make of a number, one after the other.
pub fn stepped(start: u32, values: impl IntoIterator<Item = u32>) -> u32 {
    let step = |x: u32, value: u32| x.wrapping_mul(3).wrapping_add(value);
    values.into_iter().fold(start, step)
}

/// One workgroup.
pub fn one() -> Grid<'static> {
    Grid::groups([1, 1, 1])
}
