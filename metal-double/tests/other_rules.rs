//! Rules that few programs come near: each misuse, and beside it the same thing done right where that is not elsewhere.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use std::ffi::c_void;
use std::ptr::NonNull;

use common::*;
use metal_double::{control, settings};
use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSRange;
use objc2_metal::*;

fn other() -> Device {
    unsafe {
        Retained::from_raw(control::metal_double_device(1).cast::<ProtocolObject<dyn MTLDevice>>())
    }
    .unwrap()
}

fn blit(gpu: &Gpu, f: impl FnOnce(&BlitEncoder)) {
    let command_buffer = gpu.command_buffer();
    let encoder = command_buffer.blitCommandEncoder().unwrap();
    f(&encoder);
    encoder.endEncoding();
}

fn indirect(
    device: &Device,
    threadgroups: usize,
) -> Retained<ProtocolObject<dyn MTLIndirectCommandBuffer>> {
    let descriptor = MTLIndirectCommandBufferDescriptor::new();
    descriptor.setCommandTypes(
        MTLIndirectCommandType::ConcurrentDispatch
            | MTLIndirectCommandType::ConcurrentDispatchThreads,
    );
    descriptor.setMaxKernelBufferBindCount(4);
    unsafe { descriptor.setMaxKernelThreadgroupMemoryBindCount(threadgroups) };
    unsafe {
        device.newIndirectCommandBufferWithDescriptor_maxCommandCount_options(
            &descriptor,
            1,
            MTLResourceOptions::StorageModeShared,
        )
    }
    .unwrap()
}

#[test]
fn blit_encoders() {
    refused(
        &[
            "-[MTLDebugBlitCommandEncoder endEncoding]",
            "endEncoding called twice",
        ],
        |gpu| blit(gpu, |encoder| encoder.endEncoding()),
    );
    refused(&["a debug group was pushed and not popped"], |gpu| {
        blit(gpu, |encoder| encoder.pushDebugGroup(&ns("g")))
    });
    refused(&["popDebugGroup called without"], |gpu| {
        blit(gpu, |encoder| encoder.popDebugGroup())
    });
    refused(&["synchronizeResource:", "MTLStorageModeManaged"], |gpu| {
        let buffer = gpu.buffer(64);
        blit(gpu, |encoder| {
            encoder.synchronizeResource(ProtocolObject::from_ref(&*buffer))
        });
    });
    refused(
        &[
            "optimizeIndirectCommandBuffer:withRange:",
            "range.location(0) + range.length(2)",
        ],
        |gpu| {
            let commands = indirect(&gpu.device, 0);
            blit(gpu, |encoder| unsafe {
                encoder.optimizeIndirectCommandBuffer_withRange(&commands, NSRange::new(0, 2))
            });
        },
    );
    refused(
        &[
            "sampleCountersInBuffer:atSampleIndex:withBarrier:",
            "MTLCounterSamplingPointAtBlitBoundary",
        ],
        |gpu| {
            let samples = samples(gpu, MTLStorageMode::Shared);
            blit(gpu, |encoder| unsafe {
                encoder.sampleCountersInBuffer_atSampleIndex_withBarrier(&samples, 0, false)
            });
        },
    );
    clean(|gpu| {
        let commands = indirect(&gpu.device, 0);
        blit(gpu, |encoder| {
            encoder.pushDebugGroup(&ns("g"));
            encoder.popDebugGroup();
            unsafe {
                encoder.optimizeIndirectCommandBuffer_withRange(&commands, NSRange::new(0, 1))
            };
        });
    });
}

fn samples(
    gpu: &Gpu,
    storage: MTLStorageMode,
) -> Retained<ProtocolObject<dyn MTLCounterSampleBuffer>> {
    let descriptor = MTLCounterSampleBufferDescriptor::new();
    descriptor.setCounterSet(Some(&gpu.device.counterSets().unwrap().objectAtIndex(0)));
    descriptor.setStorageMode(storage);
    unsafe { descriptor.setSampleCount(2) };
    gpu.device
        .newCounterSampleBufferWithDescriptor_error(&descriptor)
        .unwrap()
}

#[test]
fn sample_buffers() {
    refused(&["index (4) must be < 4"], |_| {
        let attachments =
            MTLComputePassDescriptor::computePassDescriptor().sampleBufferAttachments();
        let _ = unsafe { attachments.objectAtIndexedSubscript(4) };
    });
    let resolve = |gpu: &Gpu, storage| {
        unsafe { samples(gpu, storage).resolveCounterRange(NSRange::new(0, 1)) }.is_some()
    };
    refused(&["storage mode must be MTLStorageModeShared"], |gpu| {
        assert!(!resolve(gpu, MTLStorageMode::Private))
    });
    clean(|gpu| assert!(resolve(gpu, MTLStorageMode::Shared)));
}

#[test]
fn events() {
    refused(
        &[
            "encodeWaitForEvent:value:",
            "the command buffer is committed",
        ],
        |gpu| {
            let command_buffer = gpu.command_buffer();
            finish(&command_buffer);
            command_buffer.encodeWaitForEvent_value(&gpu.device.newEvent().unwrap(), 0);
        },
    );
    refused(&["FakeMTLFence is not an event"], |gpu| {
        let fence = gpu.device.newFence().unwrap();
        let wrong: &ProtocolObject<dyn MTLEvent> = unsafe { &*Retained::as_ptr(&fence).cast() };
        gpu.command_buffer().encodeSignalEvent_value(wrong, 1);
    });
}

#[test]
fn what_is_no_resource() {
    refused(&["FakeMTLFence is not a resource"], |gpu| {
        let fence = gpu.device.newFence().unwrap();
        let wrong: &ProtocolObject<dyn MTLResource> = unsafe { &*Retained::as_ptr(&fence).cast() };
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.useResource_usage(wrong, MTLResourceUsage::Read);
        encoder.endEncoding();
    });
    refused(&["FakeMTLFence is not an allocation"], |gpu| {
        let fence = gpu.device.newFence().unwrap();
        let wrong: &ProtocolObject<dyn MTLAllocation> =
            unsafe { &*Retained::as_ptr(&fence).cast() };
        gpu.device
            .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
            .unwrap()
            .addAllocation(wrong);
    });
}

#[test]
fn indirect_commands() {
    refused(
        &[
            "executeCommandsInBuffer:withRange:",
            "created on another device",
        ],
        |gpu| {
            let commands = indirect(&other(), 0);
            let command_buffer = gpu.command_buffer();
            let encoder = concurrent(&command_buffer);
            unsafe { encoder.executeCommandsInBuffer_withRange(&commands, NSRange::new(0, 1)) };
            encoder.endEncoding();
        },
    );
    refused(
        &[
            "setComputePipelineState:",
            "pipelineState was created on another device",
        ],
        |gpu| {
            let commands = indirect(&other(), 0);
            unsafe { commands.indirectComputeCommandAtIndex(0) }
                .setComputePipelineState(&gpu.indirect_pipeline("add"));
        },
    );
    let memory = |gpu: &Gpu, index| unsafe {
        indirect(&gpu.device, 1)
            .indirectComputeCommandAtIndex(0)
            .setThreadgroupMemoryLength_atIndex(64, index);
    };
    refused(
        &["index (1) must be < maxKernelThreadgroupMemoryBindCount (1)"],
        |gpu| memory(gpu, 1),
    );
    clean(|gpu| memory(gpu, 0));
    refused(
        &["concurrentDispatchThreads requires a device that supports non-uniform"],
        |gpu| {
            control::set_feature("nonuniform", false);
            let command = unsafe { indirect(&gpu.device, 0).indirectComputeCommandAtIndex(0) };
            command.concurrentDispatchThreads_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
        },
    );
}

#[test]
fn an_indirect_command_buffer_that_went_too_early() {
    refused(
        &["was deallocated before the command buffer that executes it completed"],
        |gpu| {
            control::hold(true);
            let command_buffer = autoreleasepool(|_| {
                let command_buffer = gpu.queue.commandBufferWithUnretainedReferences().unwrap();
                let encoder = concurrent(&command_buffer);
                unsafe {
                    encoder.executeCommandsInBuffer_withRange(
                        &indirect(&gpu.device, 0),
                        NSRange::new(0, 1),
                    )
                };
                encoder.endEncoding();
                command_buffer.commit();
                command_buffer
            });
            control::hold(false);
            command_buffer.waitUntilCompleted();
        },
    );
}

#[test]
fn objects_that_devices_do_not_make() {
    refused(&["maxCommandBufferCount (0) must be > 0"], |gpu| {
        assert!(
            gpu.device
                .newCommandQueueWithMaxCommandBufferCount(0)
                .is_none()
        );
    });
    refused(&["options must have MTLResourceStorageModeShared"], |gpu| {
        let memory = vec![0u8; 3 * 4096];
        let base = (memory.as_ptr() as usize).next_multiple_of(4096);
        let pointer = NonNull::new(base as *mut c_void).unwrap();
        let options = MTLResourceOptions::StorageModePrivate;
        let made = unsafe {
            gpu.device
                .newBufferWithBytesNoCopy_length_options_deallocator(pointer, 4096, options, None)
        };
        assert!(made.is_none());
    });
    refused(&["computeFunction must not be nil"], |gpu| {
        let descriptor = MTLComputePipelineDescriptor::new();
        let made = gpu
            .device
            .newComputePipelineStateWithDescriptor_options_reflection_error(
                &descriptor,
                MTLPipelineOption::None,
                None,
            );
        // The real layer aborts here; collected, the call returns nil without an error, which objc2 takes for one.
        assert!(made.is_err());
    });
}

#[test]
fn constants_of_types_that_are_no_scalars() {
    refused(
        &["setConstantValue:type:atIndex:", "is not a scalar type"],
        |_| {
            let value = [0f32; 4];
            unsafe {
                MTLFunctionConstantValues::new().setConstantValue_type_atIndex(
                    NonNull::from(&value).cast(),
                    MTLDataType::Float4,
                    0,
                )
            };
        },
    );
}

#[test]
fn buffers_ranges() {
    refused(&["didModifyRange:", "MTLStorageModeManaged"], |gpu| {
        gpu.buffer(64).didModifyRange(NSRange::new(0, 4))
    });
    refused(
        &["range.location(60) + range.length(8) must be <= buffer length (64)"],
        |gpu| {
            gpu.buffer(64)
                .addDebugMarker_range(&ns("marker"), NSRange::new(60, 8));
        },
    );
    clean(|gpu| {
        gpu.buffer(64)
            .addDebugMarker_range(&ns("marker"), NSRange::new(56, 8))
    });
}

#[test]
fn waiting_for_a_command_buffer_that_cannot_come() {
    refused(&["all 1 command buffers of the queue exist"], |gpu| {
        settings::set_patience(std::time::Duration::from_millis(50));
        let queue = gpu
            .device
            .newCommandQueueWithMaxCommandBufferCount(1)
            .unwrap();
        let first = queue.commandBuffer();
        assert!(queue.commandBuffer().is_none());
        drop(first);
        settings::set_patience(std::time::Duration::from_secs(20));
    });
}

#[test]
fn residency_sets_of_another_device() {
    refused(
        &[
            "addResidencySet:",
            "the residency set was created on another device",
        ],
        |gpu| {
            let set = other()
                .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
                .unwrap();
            gpu.queue.addResidencySet(&set);
        },
    );
}
