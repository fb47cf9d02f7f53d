//! What the double itself costs per encoded dispatch: to be subtracted from what a program is measured to cost.
//!
//!     METAL_DOUBLE_EXECUTE=off cargo run --release --example encoding_cost

use std::ffi::c_void;
use std::ptr::NonNull;
use std::time::Instant;

use metal_double as _;
use objc2::rc::autoreleasepool;
use objc2_foundation::NSString;
use objc2_metal::*;

const DISPATCHES: u32 = 300;

fn main() {
    let source = "#include <metal_stdlib>\nkernel void f(device uint *a [[buffer(0)]], device uint *b [[buffer(1)]], constant uint &n [[buffer(2)]]) { a[0] = b[0] + n; }";
    autoreleasepool(|_| {
        let device = MTLCreateSystemDefaultDevice().expect("a device");
        let queue = device.newCommandQueue().expect("a queue");
        let library = device
            .newLibraryWithSource_options_error(&NSString::from_str(source), None)
            .expect("a library");
        let function = library
            .newFunctionWithName(&NSString::from_str("f"))
            .expect("a function");
        let pipeline = device
            .newComputePipelineStateWithFunction_error(&function)
            .expect("a pipeline");
        let buffers: Vec<_> = (0..8)
            .map(|_| {
                device
                    .newBufferWithLength_options(64, MTLResourceOptions::StorageModeShared)
                    .expect("a buffer")
            })
            .collect();
        let one = MTLSize {
            width: 1,
            height: 1,
            depth: 1,
        };
        let mut best = f64::MAX;
        for _ in 0..200 {
            autoreleasepool(|_| {
                let start = Instant::now();
                let command_buffer = queue.commandBuffer().expect("a command buffer");
                let encoder = command_buffer
                    .computeCommandEncoderWithDispatchType(MTLDispatchType::Concurrent)
                    .expect("an encoder");
                for i in 0..DISPATCHES {
                    encoder.setComputePipelineState(&pipeline);
                    let at = i as usize % buffers.len();
                    // SAFETY: the buffers outlive the command buffer, and the constant is copied.
                    unsafe {
                        encoder.setBuffer_offset_atIndex(Some(&buffers[at]), 0, 0);
                        encoder.setBuffer_offset_atIndex(
                            Some(&buffers[(at + 1) % buffers.len()]),
                            0,
                            1,
                        );
                        encoder.setBytes_length_atIndex(NonNull::from(&i).cast::<c_void>(), 4, 2);
                    }
                    encoder.dispatchThreadgroups_threadsPerThreadgroup(one, one);
                    encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
                }
                encoder.endEncoding();
                command_buffer.commit();
                best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(DISPATCHES));
                command_buffer.waitUntilCompleted();
            });
        }
        println!("{best:.0} ns per dispatch: pipeline, 2 buffers, 4 bytes, dispatch, barrier");
    });
}
