//! Indirect command buffers and residency: each misuse, and beside it the same thing done right.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use common::*;
use metal_double::control;
use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSRange;
use objc2_metal::*;

type Indirect = Retained<ProtocolObject<dyn MTLIndirectCommandBuffer>>;

fn described(
    types: MTLIndirectCommandType,
    buffers: usize,
) -> Retained<MTLIndirectCommandBufferDescriptor> {
    let descriptor = MTLIndirectCommandBufferDescriptor::new();
    descriptor.setCommandTypes(types);
    descriptor.setInheritBuffers(false);
    descriptor.setInheritPipelineState(false);
    descriptor.setMaxKernelBufferBindCount(buffers);
    descriptor
}

fn make(
    gpu: &Gpu,
    descriptor: &MTLIndirectCommandBufferDescriptor,
    count: usize,
) -> Option<Indirect> {
    unsafe {
        gpu.device
            .newIndirectCommandBufferWithDescriptor_maxCommandCount_options(
                descriptor,
                count,
                MTLResourceOptions::StorageModeShared,
            )
    }
}

fn indirect(gpu: &Gpu, count: usize) -> Indirect {
    make(
        gpu,
        &described(
            MTLIndirectCommandType::ConcurrentDispatch
                | MTLIndirectCommandType::ConcurrentDispatchThreads,
            4,
        ),
        count,
    )
    .unwrap()
}

fn command(of: &Indirect, index: usize) -> Retained<ProtocolObject<dyn MTLIndirectComputeCommand>> {
    unsafe { of.indirectComputeCommandAtIndex(index) }
}

/// Records `copy` from one buffer to another.
fn record_copy(gpu: &Gpu, of: &Indirect, index: usize, from: &Buffer, to: &Buffer) {
    let command = command(of, index);
    command.setComputePipelineState(&gpu.kept_pipeline("copy"));
    unsafe {
        command.setKernelBuffer_offset_atIndex(from, 0, 0);
        command.setKernelBuffer_offset_atIndex(to, 0, 1);
    }
    command.concurrentDispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
}

fn use_resource(encoder: &ComputeEncoder, buffer: &Buffer, usage: MTLResourceUsage) {
    encoder.useResource_usage(ProtocolObject::from_ref(&**buffer), usage);
}

fn set_of(gpu: &Gpu, buffers: &[&Buffer], commit: bool) -> ResidencySet {
    let set = gpu
        .device
        .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
        .unwrap();
    for buffer in buffers {
        set.addAllocation(ProtocolObject::from_ref(&***buffer));
    }
    if commit {
        set.commit();
    }
    set
}

fn execute(gpu: &Gpu, of: &Indirect, range: NSRange, before: impl FnOnce(&ComputeEncoder)) {
    let command_buffer = gpu.command_buffer();
    let encoder = concurrent(&command_buffer);
    before(&encoder);
    unsafe { encoder.executeCommandsInBuffer_withRange(of, range) };
    encoder.endEncoding();
    finish(&command_buffer);
}

fn chain(gpu: &Gpu, barrier: bool) {
    let (a, b, c) = (gpu.buffer(64), gpu.buffer(64), gpu.buffer(64));
    words(&a).fill(5);
    let commands = indirect(gpu, 2);
    record_copy(gpu, &commands, 0, &a, &b);
    record_copy(gpu, &commands, 1, &b, &c);
    if barrier {
        command(&commands, 1).setBarrier();
    }
    execute(gpu, &commands, NSRange::new(0, 2), |encoder| {
        for buffer in [&a, &b, &c] {
            use_resource(
                encoder,
                buffer,
                MTLResourceUsage::Read | MTLResourceUsage::Write,
            );
        }
    });
    if barrier {
        assert_eq!(words(&c)[3], 5);
    }
}

#[test]
fn commands_run_and_a_barrier_orders_them() {
    clean(|gpu| chain(gpu, true));
    refused(&["Hazard", "no setBarrier between them"], |gpu| {
        chain(gpu, false)
    });
    refused(&["Hazard", "no setBarrier between them"], |gpu| {
        let (a, b, c) = (gpu.buffer(64), gpu.buffer(64), gpu.buffer(64));
        let commands = indirect(gpu, 2);
        record_copy(gpu, &commands, 0, &a, &b);
        record_copy(gpu, &commands, 1, &b, &c);
        command(&commands, 1).setBarrier();
        command(&commands, 1).clearBarrier();
        execute(gpu, &commands, NSRange::new(0, 2), |encoder| {
            for buffer in [&a, &b, &c] {
                use_resource(
                    encoder,
                    buffer,
                    MTLResourceUsage::Read | MTLResourceUsage::Write,
                );
            }
        });
    });
}

#[test]
fn an_execution_and_the_dispatch_after_it() {
    let then_add = |gpu: &Gpu, barrier: bool| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        let commands = indirect(gpu, 1);
        record_copy(gpu, &commands, 0, &a, &b);
        command(&commands, 0).setBarrier();
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        use_resource(&encoder, &a, MTLResourceUsage::Read);
        use_resource(&encoder, &b, MTLResourceUsage::Write);
        unsafe { encoder.executeCommandsInBuffer_withRange(&commands, NSRange::new(0, 1)) };
        if barrier {
            encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
        }
        add(&encoder, &gpu.pipeline("add"), &b, 1, 16);
        encoder.endEncoding();
        finish(&command_buffer);
    };
    clean(|gpu| then_add(gpu, true));
    refused(&["Hazard", "no memoryBarrier between them"], |gpu| {
        then_add(gpu, false)
    });
}

#[test]
fn ranges() {
    let over = |gpu: &Gpu, range: NSRange| execute(gpu, &indirect(gpu, 2), range, |_| {});
    clean(|gpu| over(gpu, NSRange::new(0, 2)));
    refused(
        &[
            "executionRange.location(1) + executionRange.length(2) must be <= the indirect command buffer's size (2)",
        ],
        |gpu| {
            over(gpu, NSRange::new(1, 2));
        },
    );
    refused(&["resetWithRange:"], |gpu| unsafe {
        indirect(gpu, 2).resetWithRange(NSRange::new(2, 1))
    });
    refused(&["commandIndex (2) must be <"], |gpu| {
        drop(command(&indirect(gpu, 2), 2))
    });
}

#[test]
fn a_reset_command_does_nothing() {
    clean(|gpu| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        words(&a).fill(5);
        let commands = indirect(gpu, 2);
        record_copy(gpu, &commands, 0, &a, &b);
        record_copy(gpu, &commands, 1, &a, &b);
        command(&commands, 0).reset();
        unsafe { commands.resetWithRange(NSRange::new(1, 1)) };
        execute(gpu, &commands, NSRange::new(0, 2), |_| {});
        assert_eq!(words(&b)[0], 0);
    });
}

#[test]
fn pipelines_that_do_not_support_indirect_command_buffers() {
    refused(
        &["setComputePipelineState:", "supportIndirectCommandBuffers"],
        |gpu| {
            command(&indirect(gpu, 1), 0).setComputePipelineState(&gpu.pipeline("add"));
        },
    );
    clean(|gpu| {
        command(&indirect(gpu, 1), 0).setComputePipelineState(&gpu.indirect_pipeline("add"))
    });
}

#[test]
fn what_a_command_may_set() {
    refused(
        &[
            "setKernelBuffer:offset:atIndex:",
            "index (4) must be < maxKernelBufferBindCount (4)",
        ],
        |gpu| unsafe {
            command(&indirect(gpu, 1), 0).setKernelBuffer_offset_atIndex(&gpu.buffer(64), 0, 4);
        },
    );
    refused(
        &["setKernelBuffer:offset:atIndex:", "offset (64) must be <"],
        |gpu| unsafe {
            command(&indirect(gpu, 1), 0).setKernelBuffer_offset_atIndex(&gpu.buffer(64), 64, 0);
        },
    );
    refused(
        &["setThreadgroupMemoryLength:atIndex:", "multiple of 16"],
        |gpu| unsafe {
            command(&indirect(gpu, 1), 0).setThreadgroupMemoryLength_atIndex(8, 0);
        },
    );
    refused(&["a compute pipeline state must be set"], |gpu| {
        command(&indirect(gpu, 1), 0)
            .concurrentDispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
    });
    refused(
        &["Compute Function(copy): missing Buffer binding at index 0"],
        |gpu| {
            let command = command(&indirect(gpu, 1), 0);
            command.setComputePipelineState(&gpu.indirect_pipeline("copy"));
            command
                .concurrentDispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
        },
    );
    refused(
        &["must be <= 1024. (device threadgroup size limit)"],
        |gpu| {
            let command = command(&indirect(gpu, 1), 0);
            command.setComputePipelineState(&gpu.indirect_pipeline("copy"));
            command.concurrentDispatchThreadgroups_threadsPerThreadgroup(
                size(1, 1, 1),
                size(2048, 1, 1),
            );
        },
    );
    refused(
        &["threadgroupsPerGrid(width: 1, height: 0, depth: 1)"],
        |gpu| {
            command(&indirect(gpu, 1), 0)
                .concurrentDispatchThreadgroups_threadsPerThreadgroup(size(1, 0, 1), size(1, 1, 1));
        },
    );
    refused(&["not created for this type of command"], |gpu| {
        let commands = make(
            gpu,
            &described(MTLIndirectCommandType::ConcurrentDispatch, 4),
            1,
        )
        .unwrap();
        command(&commands, 0)
            .concurrentDispatchThreads_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
    });
}

#[test]
fn what_an_indirect_command_buffer_may_be() {
    let every = MTLIndirectCommandType::ConcurrentDispatch;
    refused(&["maxCommandCount (0)"], |gpu| {
        drop(make(gpu, &described(every, 4), 0))
    });
    refused(&["commandTypes must not be empty"], |gpu| {
        drop(make(gpu, &described(MTLIndirectCommandType::empty(), 4), 1))
    });
    refused(&["maxKernelBufferBindCount (32) must be <= 31"], |gpu| {
        drop(make(gpu, &described(every, 32), 1))
    });
    refused(&["not supported on this device"], |gpu| {
        control::set_feature("icb", false);
        drop(make(gpu, &described(every, 4), 1));
    });
    clean(|gpu| assert!(make(gpu, &described(every, 31), 1).is_some()));
}

#[test]
fn commands_that_inherit() {
    let inheriting = |gpu: &Gpu| {
        let descriptor = described(MTLIndirectCommandType::ConcurrentDispatchThreads, 4);
        descriptor.setInheritBuffers(true);
        descriptor.setInheritPipelineState(true);
        make(gpu, &descriptor, 1).unwrap()
    };
    clean(|gpu| {
        let a = gpu.buffer(64);
        let commands = inheriting(gpu);
        command(&commands, 0)
            .concurrentDispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
        execute(gpu, &commands, NSRange::new(0, 1), |encoder| {
            encoder.setComputePipelineState(&gpu.indirect_pipeline("add"));
            bind(encoder, &a, 0);
            set_u32(encoder, 4, 1);
        });
        assert_eq!(words(&a)[15], 4);
    });
    refused(&["inheritPipelineState"], |gpu| {
        command(&inheriting(gpu), 0).setComputePipelineState(&gpu.indirect_pipeline("add"))
    });
    refused(&["inheritBuffers"], |gpu| unsafe {
        command(&inheriting(gpu), 0).setKernelBuffer_offset_atIndex(&gpu.buffer(4), 0, 0)
    });
    refused(&["the encoder has none"], |gpu| {
        execute(gpu, &inheriting(gpu), NSRange::new(0, 1), |_| {})
    });
}

fn copy_with(gpu: &Gpu, before: impl FnOnce(&ComputeEncoder, &Buffer, &Buffer)) {
    let (a, b) = (gpu.buffer(64), gpu.buffer(64));
    a.setLabel(Some(&ns("a")));
    b.setLabel(Some(&ns("b")));
    let commands = indirect(gpu, 1);
    record_copy(gpu, &commands, 0, &a, &b);
    execute(gpu, &commands, NSRange::new(0, 1), |encoder| {
        before(encoder, &a, &b)
    });
}

#[test]
fn resources_that_are_not_resident() {
    refused(
        &["buffer b at index 1 of kernel copy is not resident"],
        |gpu| {
            copy_with(gpu, |encoder, a, _| {
                use_resource(encoder, a, MTLResourceUsage::Read)
            });
        },
    );
    refused(
        &["kernel copy writes buffer b", "MTLResourceUsageRead alone"],
        |gpu| {
            copy_with(gpu, |encoder, a, b| {
                use_resource(encoder, a, MTLResourceUsage::Read);
                use_resource(encoder, b, MTLResourceUsage::Read);
            });
        },
    );
    clean(|gpu| {
        copy_with(gpu, |encoder, a, b| {
            use_resource(encoder, a, MTLResourceUsage::Read);
            use_resource(encoder, b, MTLResourceUsage::Write);
        });
    });
}

#[test]
fn residency_sets_make_resident_what_was_committed() {
    let with_set = |gpu: &Gpu, commit: bool, attach: bool| {
        copy_with(gpu, |_, a, b| {
            let set = set_of(gpu, &[a, b], commit);
            if attach {
                gpu.queue.addResidencySet(&set);
            }
        });
    };
    clean(|gpu| with_set(gpu, true, true));
    refused(
        &["buffer a at index 0 of kernel copy is not resident"],
        |gpu| with_set(gpu, false, true),
    );
    refused(&["is not resident"], |gpu| with_set(gpu, true, false));
    refused(&["is not resident"], |gpu| {
        copy_with(gpu, |_, a, b| {
            let set = set_of(gpu, &[a, b], true);
            gpu.queue.addResidencySet(&set);
            gpu.queue.removeResidencySet(&set);
        });
    });
    refused(&["buffer b", "is not resident"], |gpu| {
        copy_with(gpu, |_, a, b| {
            let set = set_of(gpu, &[a, b], true);
            gpu.queue.addResidencySet(&set);
            set.removeAllocation(ProtocolObject::from_ref(&**b));
            set.commit();
        });
    });
}

#[test]
fn residency_sets_of_a_command_buffer() {
    clean(|gpu| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        let commands = indirect(gpu, 1);
        record_copy(gpu, &commands, 0, &a, &b);
        let command_buffer = gpu.command_buffer();
        command_buffer.useResidencySet(&set_of(gpu, &[&a, &b], true));
        let encoder = concurrent(&command_buffer);
        unsafe { encoder.executeCommandsInBuffer_withRange(&commands, NSRange::new(0, 1)) };
        encoder.endEncoding();
        finish(&command_buffer);
    });
}

#[test]
fn residency_sets_order_nothing() {
    // The second encoder's execution reads what the first wrote; only useResource: makes Metal see that.
    let twice = |gpu: &Gpu, used: bool| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        let commands = indirect(gpu, 1);
        record_copy(gpu, &commands, 0, &a, &b);
        gpu.queue.addResidencySet(&set_of(gpu, &[&a, &b], true));
        let command_buffer = gpu.command_buffer();
        for _ in 0..2 {
            let encoder = concurrent(&command_buffer);
            if used {
                use_resource(&encoder, &a, MTLResourceUsage::Read);
                use_resource(&encoder, &b, MTLResourceUsage::Write);
            }
            unsafe { encoder.executeCommandsInBuffer_withRange(&commands, NSRange::new(0, 1)) };
            encoder.endEncoding();
        }
        finish(&command_buffer);
    };
    clean(|gpu| twice(gpu, true));
    refused(
        &["Hazard", "did not call useResource:usage: for it"],
        |gpu| twice(gpu, false),
    );
}

#[test]
fn a_queue_takes_32_residency_sets() {
    refused(
        &["a command queue takes at most 32 residency sets"],
        |gpu| {
            for _ in 0..33 {
                gpu.queue.addResidencySet(&set_of(gpu, &[], true));
            }
        },
    );
}

#[test]
fn changing_commands_in_flight() {
    let change = |gpu: &Gpu, wait: bool| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        let commands = indirect(gpu, 1);
        record_copy(gpu, &commands, 0, &a, &b);
        control::hold(true);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        use_resource(&encoder, &a, MTLResourceUsage::Read);
        use_resource(&encoder, &b, MTLResourceUsage::Write);
        unsafe { encoder.executeCommandsInBuffer_withRange(&commands, NSRange::new(0, 1)) };
        encoder.endEncoding();
        command_buffer.commit();
        if wait {
            control::hold(false);
            command_buffer.waitUntilCompleted();
        }
        unsafe { command(&commands, 0).setKernelBuffer_offset_atIndex(&b, 0, 0) };
        control::hold(false);
        command_buffer.waitUntilCompleted();
    };
    refused(
        &["is changed while a committed command buffer that executes it has not completed"],
        |gpu| change(gpu, false),
    );
    clean(|gpu| change(gpu, true));
}

#[test]
fn buffers_and_pipelines_that_recorded_commands_lost() {
    refused(
        &[
            "buffer",
            "was deallocated while the indirect command buffer refers to it",
        ],
        |gpu| {
            let a = gpu.buffer(64);
            let commands = indirect(gpu, 1);
            autoreleasepool(|_| record_copy(gpu, &commands, 0, &a, &gpu.buffer(64)));
            execute(gpu, &commands, NSRange::new(0, 1), |encoder| {
                use_resource(encoder, &a, MTLResourceUsage::Read)
            });
        },
    );
    refused(&["pipeline copy was deallocated"], |gpu| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        let commands = indirect(gpu, 1);
        record_copy(gpu, &commands, 0, &a, &b);
        autoreleasepool(|_| {
            command(&commands, 0).setComputePipelineState(&gpu.indirect_pipeline("copy"))
        });
        execute(gpu, &commands, NSRange::new(0, 1), |encoder| {
            use_resource(encoder, &a, MTLResourceUsage::Read);
            use_resource(encoder, &b, MTLResourceUsage::Write);
        });
    });
}
