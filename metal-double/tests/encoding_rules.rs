//! What encoders and command buffers refuse: each misuse, and beside it the same thing done right.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use std::ffi::c_void;
use std::ptr::NonNull;

use block2::RcBlock;
use common::*;
use metal_double::control;
use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSRange;
use objc2_metal::*;

/// An encoder with `add` set, ended and committed afterwards.
fn encoding(gpu: &Gpu, name: &str, f: impl FnOnce(&ComputeEncoder)) {
    let command_buffer = gpu.command_buffer();
    let encoder = concurrent(&command_buffer);
    encoder.setComputePipelineState(&gpu.pipeline(name));
    f(&encoder);
    encoder.endEncoding();
    finish(&command_buffer);
}

fn set_bytes(encoder: &ComputeEncoder, length: usize) {
    let bytes = vec![0u8; length.max(1)];
    let pointer = NonNull::new(bytes.as_ptr().cast_mut())
        .unwrap()
        .cast::<c_void>();
    unsafe { encoder.setBytes_length_atIndex(pointer, length, 0) };
}

fn bound(gpu: &Gpu, encoder: &ComputeEncoder) -> Buffer {
    let buffer = gpu.buffer(4096);
    bind(encoder, &buffer, 0);
    set_u32(encoder, 1, 1);
    buffer
}

#[test]
fn encoding_after_end_encoding() {
    refused(
        &[
            "-[MTLDebugComputeCommandEncoder setBytes:length:atIndex:]",
            "encoding after endEncoding",
        ],
        |gpu| {
            let command_buffer = gpu.command_buffer();
            let encoder = concurrent(&command_buffer);
            encoder.endEncoding();
            set_bytes(&encoder, 4);
        },
    );
    refused(
        &[
            "-[MTLDebugBlitCommandEncoder fillBuffer:range:value:]",
            "encoding after endEncoding",
        ],
        |gpu| {
            let encoder = gpu.command_buffer().blitCommandEncoder().unwrap();
            encoder.endEncoding();
            encoder.fillBuffer_range_value(&gpu.buffer(16), NSRange::new(0, 16), 0);
        },
    );
    clean(|gpu| encoding(gpu, "add", |encoder| set_bytes(encoder, 4)));
}

#[test]
fn ending_twice() {
    refused(&["endEncoding called twice"], |gpu| {
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.endEncoding();
        encoder.endEncoding();
    });
}

#[test]
fn an_encoder_released_without_end_encoding() {
    let dropped = |gpu: &Gpu, end: bool| {
        autoreleasepool(|_| {
            let encoder = concurrent(&gpu.command_buffer());
            if end {
                encoder.endEncoding();
            }
        });
    };
    refused(
        &[
            "-[_MTLCommandEncoder dealloc]",
            "Command encoder released without endEncoding",
        ],
        |gpu| dropped(gpu, false),
    );
    clean(|gpu| dropped(gpu, true));
    refused(&["Command encoder released without endEncoding"], |gpu| {
        autoreleasepool(|_| drop(gpu.command_buffer().blitCommandEncoder()));
    });
}

#[test]
fn a_second_encoder_while_one_is_open() {
    let two = |gpu: &Gpu, end_first: bool| {
        let command_buffer = gpu.command_buffer();
        let first = concurrent(&command_buffer);
        if end_first {
            first.endEncoding();
        }
        let second = command_buffer.blitCommandEncoder();
        if !end_first {
            first.endEncoding();
        }
        if let Some(second) = second {
            second.endEncoding();
        }
    };
    refused(
        &["A command encoder is already encoding to this command buffer"],
        |gpu| two(gpu, false),
    );
    clean(|gpu| two(gpu, true));
}

#[test]
fn commit_with_an_open_encoder() {
    refused(&["commit command buffer with uncommitted encoder"], |gpu| {
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        command_buffer.commit();
        encoder.endEncoding();
    });
}

#[test]
fn committing_twice() {
    refused(&["commit an already committed command buffer"], |gpu| {
        let command_buffer = gpu.command_buffer();
        finish(&command_buffer);
        command_buffer.commit();
    });
    clean(|gpu| finish(&gpu.command_buffer()));
}

#[test]
fn encoders_of_a_committed_command_buffer() {
    refused(
        &["cannot create an encoder on a command buffer that is committed"],
        |gpu| {
            let command_buffer = gpu.command_buffer();
            finish(&command_buffer);
            assert!(command_buffer.computeCommandEncoder().is_none());
        },
    );
}

#[test]
fn handlers_after_commit() {
    let handler = |command_buffer: &CommandBuffer| {
        let block = RcBlock::new(|_: NonNull<ProtocolObject<dyn MTLCommandBuffer>>| {});
        unsafe { command_buffer.addCompletedHandler(RcBlock::as_ptr(&block)) };
    };
    let scheduled = |command_buffer: &CommandBuffer| {
        let block = RcBlock::new(|_: NonNull<ProtocolObject<dyn MTLCommandBuffer>>| {});
        unsafe { command_buffer.addScheduledHandler(RcBlock::as_ptr(&block)) };
    };
    refused(
        &[
            "-[_MTLCommandBuffer addCompletedHandler:]",
            "Completed handler provided after commit call",
        ],
        |gpu| {
            let command_buffer = gpu.command_buffer();
            finish(&command_buffer);
            handler(&command_buffer);
        },
    );
    refused(&["Scheduled handler provided after commit call"], |gpu| {
        let command_buffer = gpu.command_buffer();
        finish(&command_buffer);
        scheduled(&command_buffer);
    });
    clean(|gpu| {
        let command_buffer = gpu.command_buffer();
        handler(&command_buffer);
        scheduled(&command_buffer);
        finish(&command_buffer);
    });
}

#[test]
fn waiting_before_commit() {
    refused(
        &["-[_MTLCommandBuffer waitUntilCompleted]", "not committed"],
        |gpu| gpu.command_buffer().waitUntilCompleted(),
    );
    refused(
        &["-[_MTLCommandBuffer waitUntilScheduled]", "not committed"],
        |gpu| gpu.command_buffer().waitUntilScheduled(),
    );
}

#[test]
fn enqueueing_twice() {
    refused(&["-[_MTLCommandBuffer enqueue]"], |gpu| {
        let command_buffer = gpu.command_buffer();
        command_buffer.enqueue();
        command_buffer.enqueue();
    });
}

#[test]
fn lengths_of_set_bytes() {
    refused(
        &[
            "-[MTLDebugComputeCommandEncoder setBytes:length:atIndex:]: failed assertion `length (5000) must be <= 4096'",
        ],
        |gpu| {
            encoding(gpu, "add", |encoder| set_bytes(encoder, 5000));
        },
    );
    refused(&["length (0) must be > 0"], |gpu| {
        encoding(gpu, "add", |encoder| set_bytes(encoder, 0))
    });
    clean(|gpu| encoding(gpu, "add", |encoder| set_bytes(encoder, 4096)));
}

#[test]
fn indices_of_buffers() {
    refused(
        &["setBuffer:offset:atIndex:", "index (31) must be < 31"],
        |gpu| {
            encoding(gpu, "add", |encoder| bind(encoder, &gpu.buffer(16), 31));
        },
    );
    refused(
        &["setBytes:length:atIndex:", "index (31) must be < 31"],
        |gpu| {
            encoding(gpu, "add", |encoder| set_u32(encoder, 0, 31));
        },
    );
    refused(
        &["setBuffers:offsets:withRange:", "index (31) must be < 31"],
        |gpu| {
            encoding(gpu, "add", |encoder| {
                let buffer = gpu.buffer(16);
                let buffers = [&raw const *buffer, &raw const *buffer];
                unsafe {
                    encoder.setBuffers_offsets_withRange(
                        NonNull::from(&buffers).cast(),
                        NonNull::from(&[0usize, 0]).cast(),
                        NSRange::new(30, 2),
                    );
                }
            });
        },
    );
    clean(|gpu| encoding(gpu, "add", |encoder| bind(encoder, &gpu.buffer(16), 30)));
}

#[test]
fn offsets_beyond_a_buffer() {
    let offset = |gpu: &Gpu, at: usize| {
        encoding(gpu, "add", |encoder| unsafe {
            encoder.setBuffer_offset_atIndex(Some(&gpu.buffer(64)), at, 0)
        });
    };
    refused(&["offset (64) must be < buffer length (64)"], |gpu| {
        offset(gpu, 64)
    });
    clean(|gpu| offset(gpu, 60));
    refused(
        &[
            "setBufferOffset:atIndex:",
            "offset (68) must be < buffer length (64)",
        ],
        |gpu| {
            encoding(gpu, "add", |encoder| {
                bind(encoder, &gpu.buffer(64), 0);
                unsafe { encoder.setBufferOffset_atIndex(68, 0) };
            });
        },
    );
    refused(
        &["setBufferOffset:atIndex:", "no buffer is bound at index 4"],
        |gpu| {
            encoding(gpu, "add", |encoder| unsafe {
                encoder.setBufferOffset_atIndex(0, 4)
            });
        },
    );
}

#[test]
fn alignment_of_offsets() {
    let at = |gpu: &Gpu, index: usize, offset: usize| {
        encoding(gpu, "add", |encoder| {
            bound(gpu, encoder);
            unsafe { encoder.setBuffer_offset_atIndex(Some(&gpu.buffer(4096)), offset, index) };
            encoder.dispatchThreads_threadsPerThreadgroup(size(4, 1, 1), size(4, 1, 1));
        });
    };
    refused(
        &["index 1", "constant address space", "multiple of 4"],
        |gpu| at(gpu, 1, 6),
    );
    refused(
        &["index 0", "device address space", "multiple of 4"],
        |gpu| at(gpu, 0, 2),
    );
    clean(|gpu| at(gpu, 1, 8));
    clean(|gpu| at(gpu, 0, 4));
}

fn dispatch(gpu: &Gpu, groups: MTLSize, threads: MTLSize) {
    encoding(gpu, "add", |encoder| {
        bound(gpu, encoder);
        encoder.dispatchThreadgroups_threadsPerThreadgroup(groups, threads);
    });
}

#[test]
fn sizes_of_threadgroups() {
    refused(
        &[
            "(threadsPerThreadgroup.width(1025) * threadsPerThreadgroup.height(1) * threadsPerThreadgroup.depth(1))(1025) must be <= 1024. (device threadgroup size limit)",
        ],
        |gpu| {
            dispatch(gpu, size(1, 1, 1), size(1025, 1, 1));
        },
    );
    refused(
        &["threadsPerThreadgroup(width: 32, height: 0, depth: 1)"],
        |gpu| dispatch(gpu, size(1, 1, 1), size(32, 0, 1)),
    );
    clean(|gpu| dispatch(gpu, size(1, 1, 1), size(1024, 1, 1)));
}

fn with_descriptor(gpu: &Gpu, threads: usize, f: impl FnOnce(&MTLComputePipelineDescriptor)) {
    let descriptor = MTLComputePipelineDescriptor::new();
    descriptor.setComputeFunction(Some(&gpu.function("add")));
    f(&descriptor);
    let pipeline = gpu
        .device
        .newComputePipelineStateWithDescriptor_options_reflection_error(
            &descriptor,
            MTLPipelineOption::None,
            None,
        )
        .unwrap();
    encoding(gpu, "add", |encoder| {
        bound(gpu, encoder);
        encoder.setComputePipelineState(&pipeline);
        encoder.dispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(threads, 1, 1));
    });
}

#[test]
fn threads_over_the_pipelines_own_limit() {
    let limited = |descriptor: &MTLComputePipelineDescriptor| unsafe {
        descriptor.setMaxTotalThreadsPerThreadgroup(64)
    };
    refused(&["must be <= 64. (kernel threadgroup size limit)"], |gpu| {
        with_descriptor(gpu, 128, limited)
    });
    clean(|gpu| with_descriptor(gpu, 64, limited));
}

#[test]
fn threads_that_are_no_multiple_of_the_width_as_promised() {
    let promised = |descriptor: &MTLComputePipelineDescriptor| unsafe {
        descriptor.setThreadGroupSizeIsMultipleOfThreadExecutionWidth(true)
    };
    refused(
        &["must be a multiple of threadExecutionWidth (32)"],
        |gpu| with_descriptor(gpu, 40, promised),
    );
    clean(|gpu| with_descriptor(gpu, 64, promised));
}

#[test]
fn grids_of_nothing() {
    refused(
        &["threadgroupsPerGrid(width: 0, height: 1, depth: 1)"],
        |gpu| dispatch(gpu, size(0, 1, 1), size(32, 1, 1)),
    );
    refused(&["threadsPerGrid(width: 4, height: 1, depth: 0)"], |gpu| {
        encoding(gpu, "add", |encoder| {
            bound(gpu, encoder);
            encoder.dispatchThreads_threadsPerThreadgroup(size(4, 1, 0), size(4, 1, 1));
        });
    });
}

#[test]
fn threadgroup_memory() {
    let length = |gpu: &Gpu, lengths: &[usize]| {
        encoding(gpu, "sum", |encoder| {
            bound(gpu, encoder);
            for (index, length) in lengths.iter().enumerate() {
                unsafe { encoder.setThreadgroupMemoryLength_atIndex(*length, index) };
            }
            encoder.dispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(32, 1, 1));
        });
    };
    clean(|gpu| length(gpu, &[128]));
    clean(|gpu| length(gpu, &[16384, 16384]));
    refused(
        &["threadgroup memory size (32784) exceeds the maximum threadgroup memory allowed (32768)"],
        |gpu| length(gpu, &[16384, 16400]),
    );
    refused(&["missing threadgroup memory length at index 0"], |gpu| {
        length(gpu, &[])
    });
    refused(
        &[
            "setThreadgroupMemoryLength:atIndex:",
            "length (20) must be a multiple of 16 bytes",
        ],
        |gpu| length(gpu, &[128, 20]),
    );
    refused(
        &[
            "setThreadgroupMemoryLength:atIndex:",
            "length (32784) must be <= 32768",
        ],
        |gpu| length(gpu, &[128, 32784]),
    );
    refused(
        &[
            "setThreadgroupMemoryLength:atIndex:",
            "index (31) must be < 31",
        ],
        |gpu| {
            encoding(gpu, "add", |encoder| unsafe {
                encoder.setThreadgroupMemoryLength_atIndex(16, 31)
            });
        },
    );
}

#[test]
fn a_dispatch_without_a_pipeline() {
    refused(&["a compute pipeline state must be set"], |gpu| {
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.dispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
        encoder.endEncoding();
    });
}

#[test]
fn buffers_that_the_kernel_takes_and_nobody_bound() {
    let bound_at = |gpu: &Gpu, unbind: bool, second: bool| {
        encoding(gpu, "add", |encoder| {
            let buffer = gpu.buffer(64);
            bind(encoder, &buffer, 0);
            if second {
                set_u32(encoder, 1, 1);
            }
            if unbind {
                unsafe { encoder.setBuffer_offset_atIndex(None, 0, 0) };
            }
            encoder.dispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(16, 1, 1));
        });
    };
    refused(
        &["Compute Function(add): missing Buffer binding at index 1"],
        |gpu| bound_at(gpu, false, false),
    );
    refused(
        &["Compute Function(add): missing Buffer binding at index 0"],
        |gpu| bound_at(gpu, true, true),
    );
    clean(|gpu| bound_at(gpu, false, true));
}

#[test]
fn debug_groups_that_do_not_match() {
    refused(&["debug group \"layer 1\"", "endEncoding"], |gpu| {
        encoding(gpu, "add", |encoder| {
            encoder.pushDebugGroup(&ns("layer 0"));
            encoder.popDebugGroup();
            encoder.pushDebugGroup(&ns("layer 1"));
        });
    });
    refused(
        &["popDebugGroup called without a matching pushDebugGroup"],
        |gpu| encoding(gpu, "add", |encoder| encoder.popDebugGroup()),
    );
    refused(&["debug group of the command buffer"], |gpu| {
        let command_buffer = gpu.command_buffer();
        command_buffer.pushDebugGroup(&ns("pass"));
        finish(&command_buffer);
    });
    refused(&["-[_MTLCommandBuffer popDebugGroup]"], |gpu| {
        gpu.command_buffer().popDebugGroup()
    });
    clean(|gpu| {
        encoding(gpu, "add", |encoder| {
            encoder.pushDebugGroup(&ns("layer 0"));
            encoder.insertDebugSignpost(&ns("here"));
            encoder.popDebugGroup();
        });
    });
}

#[test]
fn dispatch_threads_where_threadgroups_are_uniform() {
    let threads = |gpu: &Gpu| {
        encoding(gpu, "add", |encoder| {
            bound(gpu, encoder);
            encoder.dispatchThreads_threadsPerThreadgroup(size(33, 1, 1), size(32, 1, 1));
        });
    };
    refused(&["non-uniform threadgroup sizes"], |gpu| {
        control::set_feature("nonuniform", false);
        threads(gpu);
    });
    clean(threads);
}

#[test]
fn indirect_dispatches() {
    let indirect = |gpu: &Gpu, offset: usize| {
        encoding(gpu, "add", |encoder| {
            bound(gpu, encoder);
            let groups = gpu.buffer(64);
            words(&groups).fill(1);
            unsafe {
                encoder.dispatchThreadgroupsWithIndirectBuffer_indirectBufferOffset_threadsPerThreadgroup(&groups, offset, size(8, 1, 1));
            }
        });
    };
    refused(
        &["indirectBufferOffset (6) must be a multiple of 4"],
        |gpu| indirect(gpu, 6),
    );
    refused(
        &["indirectBufferOffset (56) + 12 must be <= buffer length (64)"],
        |gpu| indirect(gpu, 56),
    );
    clean(|gpu| indirect(gpu, 52));
}

#[test]
fn counters_inside_an_encoder() {
    refused(
        &[
            "sampleCountersInBuffer:atSampleIndex:withBarrier:",
            "not supported",
        ],
        |gpu| {
            let descriptor = MTLCounterSampleBufferDescriptor::new();
            descriptor.setCounterSet(Some(&gpu.device.counterSets().unwrap().objectAtIndex(0)));
            unsafe { descriptor.setSampleCount(2) };
            let samples = gpu
                .device
                .newCounterSampleBufferWithDescriptor_error(&descriptor)
                .unwrap();
            encoding(gpu, "add", |encoder| unsafe {
                encoder.sampleCountersInBuffer_atSampleIndex_withBarrier(&samples, 0, true)
            });
        },
    );
}

#[test]
fn objects_of_another_device() {
    let other = || {
        unsafe {
            Retained::from_raw(
                control::metal_double_device(1).cast::<ProtocolObject<dyn MTLDevice>>(),
            )
        }
        .unwrap()
    };
    let foreign = || {
        other()
            .newBufferWithLength_options(64, MTLResourceOptions::StorageModeShared)
            .unwrap()
    };
    refused(
        &["setBuffer:offset:atIndex:", "created on another device"],
        |gpu| {
            encoding(gpu, "add", |encoder| bind(encoder, &foreign(), 0));
        },
    );
    refused(
        &["useResource:usage:", "created on another device"],
        |gpu| {
            encoding(gpu, "add", |encoder| {
                encoder.useResource_usage(
                    ProtocolObject::from_ref(&*foreign()),
                    MTLResourceUsage::Read,
                );
            });
        },
    );
    refused(
        &["fillBuffer:range:value:", "created on another device"],
        |gpu| {
            let encoder = gpu.command_buffer().blitCommandEncoder().unwrap();
            encoder.fillBuffer_range_value(&foreign(), NSRange::new(0, 16), 0);
            encoder.endEncoding();
        },
    );
    refused(&["addAllocation:", "created on another device"], |gpu| {
        let set = gpu
            .device
            .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
            .unwrap();
        set.addAllocation(ProtocolObject::from_ref(&*foreign()));
    });
    refused(
        &["setComputePipelineState:", "created on another device"],
        |gpu| {
            let library = other()
                .newLibraryWithSource_options_error(&ns(KERNELS), None)
                .unwrap();
            let function = library.newFunctionWithName(&ns("add")).unwrap();
            let pipeline = other()
                .newComputePipelineStateWithFunction_error(&function)
                .unwrap();
            encoding(gpu, "add", |encoder| {
                encoder.setComputePipelineState(&pipeline)
            });
        },
    );
    refused(
        &["newComputePipelineState", "created on another device"],
        |gpu| {
            let library = other()
                .newLibraryWithSource_options_error(&ns(KERNELS), None)
                .unwrap();
            let function = library.newFunctionWithName(&ns("add")).unwrap();
            let _ = gpu
                .device
                .newComputePipelineStateWithFunction_error(&function);
        },
    );
}

#[test]
fn blit_ranges_and_alignment() {
    let copy = |gpu: &Gpu, from: usize, to: usize, length: usize| {
        let command_buffer = gpu.command_buffer();
        let encoder = command_buffer.blitCommandEncoder().unwrap();
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        unsafe {
            encoder.copyFromBuffer_sourceOffset_toBuffer_destinationOffset_size(
                &a, from, &b, to, length,
            )
        };
        encoder.endEncoding();
        finish(&command_buffer);
    };
    clean(|gpu| copy(gpu, 32, 0, 32));
    refused(
        &["(sourceOffset + size)(40 + 32) must be <= buffer length (64)"],
        |gpu| copy(gpu, 40, 0, 32),
    );
    refused(
        &["(destinationOffset + size)(36 + 32) must be <= buffer length (64)"],
        |gpu| copy(gpu, 0, 36, 32),
    );
    refused(&["sourceOffset (2)", "must be multiples of 4"], |gpu| {
        copy(gpu, 2, 0, 8)
    });
    refused(&["size (6)", "must be multiples of 4"], |gpu| {
        copy(gpu, 0, 0, 6)
    });
    refused(&["size must be > 0"], |gpu| copy(gpu, 0, 0, 0));
    refused(&["must not overlap"], |gpu| {
        let encoder = gpu.command_buffer().blitCommandEncoder().unwrap();
        let a = gpu.buffer(64);
        unsafe {
            encoder.copyFromBuffer_sourceOffset_toBuffer_destinationOffset_size(&a, 0, &a, 8, 16)
        };
        encoder.endEncoding();
    });
    let fill = |gpu: &Gpu, from: usize, length: usize| {
        let command_buffer = gpu.command_buffer();
        let encoder = command_buffer.blitCommandEncoder().unwrap();
        encoder.fillBuffer_range_value(&gpu.buffer(64), NSRange::new(from, length), 1);
        encoder.endEncoding();
        finish(&command_buffer);
    };
    clean(|gpu| fill(gpu, 4, 60));
    refused(&["range.location (2)", "must be multiples of 4"], |gpu| {
        fill(gpu, 2, 4)
    });
    refused(&["range.length (5)", "must be multiples of 4"], |gpu| {
        fill(gpu, 4, 5)
    });
    refused(
        &["(range.location + size)(32 + 36) must be <= buffer length (64)"],
        |gpu| fill(gpu, 32, 36),
    );
}

#[test]
fn events_while_an_encoder_is_open() {
    refused(&["encodeSignalEvent:value:", "an encoder is open"], |gpu| {
        let event = gpu.device.newEvent().unwrap();
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        command_buffer.encodeSignalEvent_value(&event, 1);
        encoder.endEncoding();
    });
}

#[test]
fn buffers_that_cannot_be_made() {
    let make = |gpu: &Gpu, length: usize| {
        gpu.device
            .newBufferWithLength_options(length, MTLResourceOptions::StorageModeShared)
            .is_some()
    };
    refused(
        &[
            "newBufferWithLength:options:",
            "Cannot create buffer of zero length.",
        ],
        |gpu| assert!(!make(gpu, 0)),
    );
    refused(&["must not exceed 8192 MB"], |gpu| {
        assert!(!make(gpu, (8 << 30) + 4))
    });
    let no_copy = |gpu: &Gpu, shift: usize, length: usize| {
        let memory = vec![0u8; 3 * 4096];
        let base = (memory.as_ptr() as usize).next_multiple_of(4096) + shift;
        let pointer = NonNull::new(base as *mut c_void).unwrap();
        autoreleasepool(|_| unsafe {
            gpu.device
                .newBufferWithBytesNoCopy_length_options_deallocator(
                    pointer,
                    length,
                    MTLResourceOptions::StorageModeShared,
                    None,
                )
                .is_some()
        })
    };
    clean(|gpu| assert!(no_copy(gpu, 0, 4096)));
    refused(&["pointer", "is not 4096 byte aligned"], |gpu| {
        assert!(!no_copy(gpu, 64, 4096))
    });
    refused(&["length 100 is not 4096 byte aligned"], |gpu| {
        assert!(!no_copy(gpu, 0, 100))
    });
    refused(&["-[MTLDebugBuffer contents]"], |gpu| {
        gpu.device
            .newBufferWithLength_options(64, MTLResourceOptions::StorageModePrivate)
            .unwrap()
            .contents();
    });
}

#[test]
fn functions_with_constants_and_no_values() {
    refused(
        &["newFunctionWithName:", "function constant scale"],
        |gpu| {
            let library = gpu
                .device
                .newLibraryWithSource_options_error(&ns(SCALED), None)
                .unwrap();
            assert!(library.newFunctionWithName(&ns("scaled")).is_none());
        },
    );
    clean(|gpu| {
        let library = gpu
            .device
            .newLibraryWithSource_options_error(&ns(SCALED), None)
            .unwrap();
        let error = library
            .newFunctionWithName_constantValues_error(
                &ns("scaled"),
                &MTLFunctionConstantValues::new(),
            )
            .unwrap_err();
        assert!(error.localizedDescription().to_string().contains("scale"));
    });
}

#[test]
fn more_command_buffers_than_the_queue_has_room_for() {
    clean(|gpu| {
        let queue = gpu
            .device
            .newCommandQueueWithMaxCommandBufferCount(2)
            .unwrap();
        for _ in 0..20 {
            queue.commandBuffer().unwrap().commit();
        }
        let last = queue.commandBuffer().unwrap();
        finish(&last);
    });
    clean(|gpu| {
        // The third is made only when one of the first two has ended.
        let queue = gpu
            .device
            .newCommandQueueWithMaxCommandBufferCount(2)
            .unwrap();
        control::hold(true);
        let (first, second) = (
            queue.commandBuffer().unwrap(),
            queue.commandBuffer().unwrap(),
        );
        first.commit();
        second.commit();
        std::thread::scope(|scope| {
            let queue = &queue;
            let third = scope.spawn(move || autoreleasepool(|_| queue.commandBuffer().is_some()));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!third.is_finished());
            control::hold(false);
            assert!(third.join().unwrap());
        });
    });
}
