//! Tests that need to reach into the backend.

mod canaries;
mod faults;
mod launches;

use core::any::Any;
use std::io::Write;
use std::sync::Arc;

use crate::backend::vulkan::VulkanDevice;
use crate::backend::vulkan::gpu::Gpu;
use crate::{
    Backend, Buffer, Device, DeviceOptions, DeviceSelector, GpuDebug, Grid, Kernel, KernelSource,
    MemoryKind, Wgsl,
};

/// The Vulkan device, if there is one; `DACAPO_TEST_VULKAN` says whether there must be one (`require`), or none is to
/// be used (`off`).
fn device(change: impl Fn(&mut DeviceOptions)) -> Option<Device> {
    let wish = std::env::var("DACAPO_TEST_VULKAN").unwrap_or_default();
    if wish == "off" {
        return None;
    }
    let mut options = DeviceOptions {
        gpu_debug: GpuDebug::Synchronization,
        ..DeviceOptions::default()
    };
    options = options.with_env().unwrap();
    options.device = DeviceSelector::Backend(Backend::Vulkan);
    change(&mut options);
    match Device::open(&options) {
        Ok(device) => Some(device),
        Err(error) if wish == "require" => panic!("a Vulkan device is required: {error}"),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED on Vulkan: {error}");
            None
        }
    }
}

fn gpu(device: &Device) -> &Arc<Gpu> {
    let backend: &dyn Any = &*device.core.backend;
    backend.downcast_ref::<VulkanDevice>().unwrap().gpu()
}

fn buffer(device: &Device, elements: u64) -> Buffer {
    device
        .buffer(4 * elements, MemoryKind::DeviceLocal)
        .unwrap()
}

fn one() -> Grid<'static> {
    Grid::groups([1, 1, 1])
}

/// `y = 2 x + value`.
fn double(device: &Device) -> Kernel {
    let text = "
var<immediate> value: u32;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) first: u32) {
    for (var at = first; at < arrayLength(&y); at += 64) { y[at] = 2 * x[at] + value; }
}";
    let source = KernelSource::new("double").wgsl(Wgsl::new(text));
    device.kernel(&source).unwrap()
}
