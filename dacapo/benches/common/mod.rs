//! What the benchmarks of launches and profiles share.

use dacapo::{Access, Device, DeviceOptions, Kernel, KernelSource, Wgsl};

const WGSL: &str = "
var<immediate> value: vec4<u32>;
@group(0) @binding(0) var<storage, read> w: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() { y[0] = w[0] + x[0] + value.x; }";

/// The device that the first argument names, or the processor.
pub(crate) fn device() -> Device {
    let name = std::env::args()
        .skip(1)
        .find(|text| !text.starts_with("--"));
    let mut options = DeviceOptions::cpu();
    if let Some(name) = name {
        options.device = name.parse().expect("a device");
    }
    Device::open(&options).expect("a device")
}

/// A kernel that does next to nothing, with two inputs, an output and 16 inline bytes.
pub(crate) fn tiny(device: &Device) -> Kernel {
    let source = KernelSource::new("tiny")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Read)
        .binding::<u32>(2, Access::Write)
        .inline::<[u32; 4]>()
        .cpu(|_| Ok(()))
        .wgsl(Wgsl::new(WGSL));
    device.kernel(&source).expect("a kernel")
}
