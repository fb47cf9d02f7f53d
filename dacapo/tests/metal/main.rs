//! What only the Metal backend has: objects of Metal's own, what it costs in calls of Metal, and what fails there.
#![cfg(any(target_vendor = "apple", dacapo_metal_double))]
#![allow(
    unsafe_code,
    reason = "shares objects with Metal code of the test's own, and controls the double"
)]

#[cfg(not(target_vendor = "apple"))]
mod calls;
#[path = "../common/mod.rs"]
mod common;
#[cfg(not(target_vendor = "apple"))]
mod double;
#[cfg(not(target_vendor = "apple"))]
mod faults;
#[cfg(not(target_vendor = "apple"))]
mod indirect;
mod native;
#[cfg(not(target_vendor = "apple"))]
mod times;

use dacapo::{Device, Kernel, KernelSource, Wgsl};

const AXPY: &str = "
struct P { a: f32, n: u32 }
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < p.n { y[id.x] = p.a * x[id.x] + y[id.x]; }
}";

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Params {
    a: f32,
    n: u32,
}

/// `y += a x`, of the first `n` elements.
fn axpy(device: &Device) -> Kernel {
    let source = KernelSource::new("axpy").wgsl(Wgsl::new(AXPY));
    device.kernel(&source).unwrap()
}
