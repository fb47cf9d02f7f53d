//! What only the Vulkan backend has.

mod common;

use common::vulkan;
use dacapo::{Bytes, Device, DeviceOptions, Grid, KernelSource, MemoryKind, Wgsl};

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Params {
    a: f32,
    n: u32,
}

const AXPY: &str = "
struct P { a: f32, n: u32 }
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < p.n { y[id.x] = p.a * x[id.x] + y[id.x]; }
}";

#[test]
fn what_a_kernel_binds_is_read_out_of_its_code() {
    let Some(device) = vulkan(|_| ()) else {
        return;
    };
    let kernel = device
        .kernel(&KernelSource::new("axpy").wgsl(Wgsl::new(AXPY)))
        .unwrap();
    let x = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    let y = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    x.write(&[1.0f32; 1000]).unwrap();
    let mut encoder = device.encoder("axpy").unwrap();
    for a in [2.0, 0.5, 1.0] {
        encoder
            .dispatch(
                &kernel,
                (&x, &y, Bytes(&Params { a, n: 1000 })),
                Grid::threads([1000, 1, 1]),
            )
            .unwrap();
    }
    assert_eq!(encoder.barriers().len(), 2);
    let submission = encoder.commit().unwrap();
    submission.wait().unwrap();
    assert!(submission.gpu_time().is_some());
    assert_eq!(y.read::<f32>().unwrap(), [3.5; 1000]);
}

/// At any byte, which commands for whole words cannot do by themselves.
#[test]
fn transfers_begin_and_end_anywhere() {
    let Some(device) = vulkan(|_| ()) else {
        return;
    };
    let x = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    let y = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    y.write(&[3.5f32; 1000]).unwrap();
    let mut encoder = device.encoder("copy").unwrap();
    encoder.fill(&y.slice(1..7).unwrap(), 7).unwrap();
    encoder
        .copy(&y.slice(3..1002).unwrap(), &x.slice(1001..2000).unwrap())
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
    let (x, y) = (x.read::<u8>().unwrap(), y.read::<u8>().unwrap());
    assert_eq!(y[..8], [0, 7, 7, 7, 7, 7, 7, 64]);
    assert_eq!(x[1001..2000], y[3..1002]);
}

/// Handles of the first device are adopted by a second one; a buffer of one is wrapped by the other, and
/// commands of the test's own run between two dispatches.
#[test]
#[allow(unsafe_code, reason = "the handles are those of a live device")]
fn a_device_is_adopted_a_buffer_wrapped_and_commands_are_mixed_in() {
    use dacapo::Access;
    use dacapo::vulkan::{self, ash::vk};

    let Some(own) = common::vulkan(|_| ()) else {
        return;
    };
    let handles = vulkan::handles(&own).unwrap();
    // SAFETY: `own` outlives everything made from the adopted device, and has the features.
    let adopted = unsafe { vulkan::adopt(handles, &DeviceOptions::default()) }.unwrap();
    let buffer = own.buffer(4096, MemoryKind::DeviceLocal).unwrap();
    let (raw, offset) = vulkan::raw_buffer(&buffer).unwrap();
    assert_eq!(offset, 0);
    // SAFETY: the buffer has all usages and outlives the wrapper.
    let wrapped = unsafe { vulkan::wrap(&adopted, raw, 4096, "wrapped") }.unwrap();
    wrapped.write(&[1.0f32; 1024]).unwrap();
    assert_eq!(buffer.read::<f32>().unwrap(), [1.0; 1024]);

    let kernel = adopted
        .kernel(&KernelSource::new("axpy").wgsl(Wgsl::new(AXPY)))
        .unwrap();
    let y = adopted.buffer(4096, MemoryKind::DeviceLocal).unwrap();
    let mut encoder = adopted.encoder("mixed").unwrap();
    let params = Params { a: 2.0, n: 1024 };
    let grid = Grid::threads([1024, 1, 1]);
    encoder
        .dispatch(&kernel, (&wrapped, &y, Bytes(&params)), grid)
        .unwrap();
    let (target, offset) = vulkan::raw_buffer(&y.slice(2048..).unwrap()).unwrap();
    let half = y.slice(2048..).unwrap();
    let fill = |device: &vulkan::ash::Device, commands: vk::CommandBuffer| {
        // SAFETY: the range lies in the buffer, whose view is named.
        unsafe { device.cmd_fill_buffer(commands, target, offset, 2048, 5.0f32.to_bits()) };
    };
    // SAFETY: the command touches what is named and needs nothing else.
    unsafe { vulkan::record(&mut encoder, Some(&[(&half, Access::Write)]), fill) }.unwrap();
    encoder
        .dispatch(&kernel, (&wrapped, &y, Bytes(&params)), grid)
        .unwrap();
    let causes: Vec<String> = encoder.barriers().iter().map(ToString::to_string).collect();
    assert_eq!(causes.len(), 2, "{causes:?}");
    encoder.commit().unwrap().wait().unwrap();
    let found = y.read::<f32>().unwrap();
    assert_eq!(found[..512], [4.0; 512]);
    assert_eq!(found[512..], [7.0; 512]);

    let cpu = Device::open(&DeviceOptions::cpu()).unwrap();
    assert!(vulkan::handles(&cpu).is_err());
    let mut encoder = cpu.encoder("other").unwrap();
    // SAFETY: nothing is recorded.
    let refused = unsafe { vulkan::record(&mut encoder, None, |_, _| ()) };
    assert!(refused.unwrap_err().to_string().contains("another device"));
}
