//! What only the Vulkan backend has.

use dacapo::{
    Backend, Bytes, Device, DeviceOptions, DeviceSelector, GpuDebug, Grid, KernelSource,
    MemoryKind, Wgsl,
};

fn device() -> Device {
    Device::open(
        &DeviceOptions {
            device: DeviceSelector::Backend(Backend::Vulkan),
            gpu_debug: GpuDebug::Synchronization,
            ..DeviceOptions::default()
        }
        .with_env()
        .unwrap(),
    )
    .unwrap()
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
fn axpy() {
    let device = device();
    let kernel = device
        .kernel(&KernelSource::new("axpy").wgsl(Wgsl::new(AXPY)))
        .unwrap();
    let x = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    let y = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    x.write(&[1.0f32; 1000]).unwrap();
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct P {
        a: f32,
        n: u32,
    }
    let mut e = device.encoder("axpy").unwrap();
    for a in [2.0, 0.5, 1.0] {
        e.dispatch(
            &kernel,
            (&x, &y, Bytes(&P { a, n: 1000 })),
            Grid::threads([1000, 1, 1]),
        )
        .unwrap();
    }
    assert_eq!(e.barriers().len(), 2);
    let s = e.commit().unwrap();
    s.wait().unwrap();
    assert!(s.gpu_time().is_some());
    assert_eq!(y.read::<f32>().unwrap(), [3.5; 1000]);
    let mut e = device.encoder("copy").unwrap();
    e.fill(&y.slice(1..7).unwrap(), 7).unwrap();
    e.copy(&y.slice(3..1002).unwrap(), &x.slice(1001..2000).unwrap())
        .unwrap();
    e.commit().unwrap().wait().unwrap();
    let (x, y) = (x.read::<u8>().unwrap(), y.read::<u8>().unwrap());
    assert_eq!(y[..8], [0, 7, 7, 7, 7, 7, 7, 64]);
    assert_eq!(x[1001..2000], y[3..1002]);
}
