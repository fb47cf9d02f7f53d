//! What the double's own tests share.

#![allow(dead_code, reason = "every test file uses a part")]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSString;
use objc2_metal::*;

pub type Device = Retained<ProtocolObject<dyn MTLDevice>>;
pub type Queue = Retained<ProtocolObject<dyn MTLCommandQueue>>;
pub type Buffer = Retained<ProtocolObject<dyn MTLBuffer>>;
pub type Pipeline = Retained<ProtocolObject<dyn MTLComputePipelineState>>;
pub type CommandBuffer = Retained<ProtocolObject<dyn MTLCommandBuffer>>;
pub type ComputeEncoder = Retained<ProtocolObject<dyn MTLComputeCommandEncoder>>;
pub type BlitEncoder = Retained<ProtocolObject<dyn MTLBlitCommandEncoder>>;
pub type ResidencySet = Retained<ProtocolObject<dyn MTLResidencySet>>;

pub const KERNELS: &str = r"
#include <metal_stdlib>
using namespace metal;

kernel void add(device uint *out [[buffer(0)]], constant uint &n [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    out[i] += n;
}

kernel void copy(device const uint *from [[buffer(0)]], device uint *to [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    to[i] = from[i];
}

kernel void store_bytes(device uchar *out [[buffer(0)]], constant uint &start [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    out[start + i] = uchar(start + i);
}

kernel void count_up(device atomic_uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(out, 1u, memory_order_relaxed);
}

kernel void beyond(device uint *out [[buffer(0)]], constant uint &at [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    out[at] = 1;
}

kernel void sum(device uint *out [[buffer(0)]], threadgroup uint *scratch [[threadgroup(0)]],
                uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
    scratch[i] = i;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (i == 0) {
        uint total = 0;
        for (uint k = 0; k < n; k++) total += scratch[k];
        out[0] = total;
    }
}

kernel void split(device uint *out [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
    if (i < 3) threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = i;
}
";

pub const SCALED: &str = r"
#include <metal_stdlib>
using namespace metal;
constant uint scale [[function_constant(0)]];
kernel void scaled(device uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    out[i] = i * scale;
}
";

/// What only one test of a process may use at a time: failures, faults and counts are the process's.
static ALONE: Mutex<()> = Mutex::new(());

pub struct Gpu {
    pub device: Device,
    pub queue: Queue,
    /// Pipelines that recorded commands use.
    kept: std::cell::RefCell<Vec<Pipeline>>,
}

pub fn ns(text: &str) -> Retained<NSString> {
    NSString::from_str(text)
}

pub fn size(width: usize, height: usize, depth: usize) -> MTLSize {
    MTLSize {
        width,
        height,
        depth,
    }
}

impl Gpu {
    fn new() -> Self {
        let device = MTLCreateSystemDefaultDevice().expect("a device");
        let queue = device.newCommandQueue().expect("a queue");
        Self {
            device,
            queue,
            kept: std::cell::RefCell::default(),
        }
    }

    pub fn buffer(&self, length: usize) -> Buffer {
        self.device
            .newBufferWithLength_options(length, MTLResourceOptions::StorageModeShared)
            .expect("a buffer")
    }

    pub fn untracked(&self, length: usize) -> Buffer {
        let options =
            MTLResourceOptions::StorageModeShared | MTLResourceOptions::HazardTrackingModeUntracked;
        self.device
            .newBufferWithLength_options(length, options)
            .expect("a buffer")
    }

    pub fn library(&self) -> Retained<ProtocolObject<dyn MTLLibrary>> {
        match self
            .device
            .newLibraryWithSource_options_error(&ns(KERNELS), None)
        {
            Ok(library) => library,
            Err(error) => panic!("{}", error.localizedDescription()),
        }
    }

    pub fn function(&self, name: &str) -> Retained<ProtocolObject<dyn MTLFunction>> {
        let function = self.library().newFunctionWithName(&ns(name));
        function.unwrap_or_else(|| panic!("{name}: {:?}", metal_double::control::take_failures()))
    }

    pub fn pipeline(&self, name: &str) -> Pipeline {
        let function = self.function(name);
        self.device
            .newComputePipelineStateWithFunction_error(&function)
            .expect("a pipeline")
    }

    /// A pipeline that indirect command buffers can use.
    pub fn indirect_pipeline(&self, name: &str) -> Pipeline {
        let descriptor = MTLComputePipelineDescriptor::new();
        descriptor.setComputeFunction(Some(&self.function(name)));
        descriptor.setSupportIndirectCommandBuffers(true);
        self.device
            .newComputePipelineStateWithDescriptor_options_reflection_error(
                &descriptor,
                MTLPipelineOption::None,
                None,
            )
            .expect("a pipeline")
    }

    /// The same, kept until the test ends: recorded commands do not keep it.
    pub fn kept_pipeline(&self, name: &str) -> Pipeline {
        let pipeline = self.indirect_pipeline(name);
        self.kept.borrow_mut().push(pipeline.clone());
        pipeline
    }

    pub fn command_buffer(&self) -> CommandBuffer {
        self.queue.commandBuffer().expect("a command buffer")
    }
}

pub fn concurrent(command_buffer: &CommandBuffer) -> ComputeEncoder {
    command_buffer
        .computeCommandEncoderWithDispatchType(MTLDispatchType::Concurrent)
        .expect("an encoder")
}

pub fn bind(encoder: &ComputeEncoder, buffer: &Buffer, index: usize) {
    unsafe { encoder.setBuffer_offset_atIndex(Some(buffer), 0, index) };
}

pub fn set_u32(encoder: &ComputeEncoder, value: u32, index: usize) {
    unsafe { encoder.setBytes_length_atIndex(NonNull::from(&value).cast::<c_void>(), 4, index) };
}

/// Encodes `out[i] += n` for `threads` words.
pub fn add(encoder: &ComputeEncoder, pipeline: &Pipeline, out: &Buffer, n: u32, threads: usize) {
    encoder.setComputePipelineState(pipeline);
    bind(encoder, out, 0);
    set_u32(encoder, n, 1);
    encoder.dispatchThreads_threadsPerThreadgroup(size(threads, 1, 1), size(threads.min(32), 1, 1));
}

pub fn finish(command_buffer: &CommandBuffer) {
    command_buffer.commit();
    command_buffer.waitUntilCompleted();
}

pub fn words(buffer: &Buffer) -> &mut [u32] {
    unsafe {
        std::slice::from_raw_parts_mut(
            buffer.contents().cast::<u32>().as_ptr(),
            buffer.length() / 4,
        )
    }
}

/// Runs a test alone, in a pool, with failures collected, and returns them.
pub fn failures(test: impl FnOnce(&Gpu)) -> Vec<String> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    metal_double::control::collect(true);
    drop(metal_double::control::take_failures());
    metal_double::control::clear_faults();
    metal_double::control::reset_counts();
    for feature in metal_double::settings::FEATURES {
        metal_double::control::set_feature(feature, true);
    }
    metal_double::control::set_execute(true);
    metal_double::control::set_hazards(true);
    let gpu = std::panic::AssertUnwindSafe(|| autoreleasepool(|_| test(&Gpu::new())));
    let result = std::panic::catch_unwind(gpu);
    let failures = metal_double::control::take_failures();
    if let Err(panic) = result {
        eprintln!("failures so far: {failures:#?}");
        std::panic::resume_unwind(panic);
    }
    failures
}

/// Runs a test that must not fail in any way.
pub fn clean(test: impl FnOnce(&Gpu)) {
    assert_eq!(failures(test), Vec::<String>::new());
}

/// Runs a test that must be reported with a text that has all these parts, and with nothing else.
#[track_caller]
pub fn refused(parts: &[&str], test: impl FnOnce(&Gpu)) {
    let failures = failures(test);
    assert_eq!(failures.len(), 1, "one failure expected: {failures:#?}");
    for part in parts {
        assert!(
            failures[0].contains(part),
            "{part:?} is not in {:?}",
            failures[0]
        );
    }
}
