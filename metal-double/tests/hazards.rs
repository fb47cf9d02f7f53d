//! Accesses that nothing orders, and accesses outside what is bound: each misuse, and beside it the same thing done right.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use std::ptr::NonNull;

use common::*;
use metal_double::control;
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSRange;
use objc2_metal::*;

fn copy(encoder: &ComputeEncoder, pipeline: &Pipeline, from: &Buffer, to: &Buffer) {
    encoder.setComputePipelineState(pipeline);
    bind(encoder, from, 0);
    bind(encoder, to, 1);
    encoder.dispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
}

/// What is between two dispatches of which the second depends on the first.
enum Between {
    Nothing,
    Barrier,
    BarrierForTextures,
    BarrierFor(&'static [usize]),
}

/// `a` is added to, then copied to `b`.
fn dependent(gpu: &Gpu, kind: MTLDispatchType, between: Between) -> u32 {
    let (a, b) = (gpu.buffer(64), gpu.buffer(64));
    a.setLabel(Some(&ns("a")));
    b.setLabel(Some(&ns("b")));
    let command_buffer = gpu.command_buffer();
    let encoder = command_buffer
        .computeCommandEncoderWithDispatchType(kind)
        .unwrap();
    add(&encoder, &gpu.pipeline("add"), &a, 9, 16);
    match between {
        Between::Nothing => {}
        Between::Barrier => encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers),
        Between::BarrierForTextures => encoder.memoryBarrierWithScope(MTLBarrierScope::Textures),
        Between::BarrierFor(indices) => {
            let all = [&a, &b];
            let chosen: Vec<NonNull<ProtocolObject<dyn MTLResource>>> = indices
                .iter()
                .map(|i| NonNull::from(ProtocolObject::<dyn MTLResource>::from_ref(&**all[*i])))
                .collect();
            unsafe {
                encoder.memoryBarrierWithResources_count(
                    NonNull::new(chosen.as_ptr().cast_mut()).unwrap(),
                    chosen.len(),
                )
            };
        }
    }
    copy(&encoder, &gpu.pipeline("copy"), &a, &b);
    encoder.endEncoding();
    finish(&command_buffer);
    words(&b)[7]
}

#[test]
fn a_missing_barrier() {
    for order in ["program", "reverse"] {
        control::set_order(metal_double::settings::order_named(order).unwrap());
        refused(
            &[
                "buffer \"a\" at byte offset ",
                "\"add\"",
                "\"copy\"",
                "no memoryBarrier between them",
            ],
            |gpu| {
                dependent(gpu, MTLDispatchType::Concurrent, Between::Nothing);
            },
        );
    }
    control::set_order(metal_double::settings::Order::Shuffle);
    refused(&["no memoryBarrier between them"], |gpu| {
        dependent(
            gpu,
            MTLDispatchType::Concurrent,
            Between::BarrierForTextures,
        );
    });
    clean(|gpu| {
        assert_eq!(
            dependent(gpu, MTLDispatchType::Concurrent, Between::Barrier),
            9
        )
    });
    clean(|gpu| assert_eq!(dependent(gpu, MTLDispatchType::Serial, Between::Nothing), 9));
}

#[test]
fn a_barrier_for_other_resources() {
    refused(&["buffer \"a\"", "no memoryBarrier between them"], |gpu| {
        dependent(gpu, MTLDispatchType::Concurrent, Between::BarrierFor(&[1]));
    });
    clean(|gpu| {
        assert_eq!(
            dependent(gpu, MTLDispatchType::Concurrent, Between::BarrierFor(&[0])),
            9
        )
    });
}

#[test]
fn a_write_over_what_is_read() {
    let read_then_write = |gpu: &Gpu, barrier: bool| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        copy(&encoder, &gpu.pipeline("copy"), &a, &b);
        if barrier {
            encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
        }
        add(&encoder, &gpu.pipeline("add"), &a, 9, 16);
        encoder.endEncoding();
        finish(&command_buffer);
    };
    refused(&["Hazard"], |gpu| read_then_write(gpu, false));
    clean(|gpu| read_then_write(gpu, true));
}

#[test]
fn an_earlier_reader_behind_the_last_one() {
    // In program order, the third dispatch writes what the first read; the second, which reads too, comes between.
    refused(&["Hazard", "\"copy\""], |gpu| {
        control::set_order(metal_double::settings::Order::Program);
        let (a, b, c) = (gpu.buffer(64), gpu.buffer(64), gpu.buffer(64));
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        let pipeline = gpu.pipeline("copy");
        copy(&encoder, &pipeline, &a, &b);
        encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
        copy(&encoder, &pipeline, &a, &b);
        add(&encoder, &gpu.pipeline("add"), &a, 9, 16);
        encoder.endEncoding();
        finish(&command_buffer);
        drop(c);
    });
    control::set_order(metal_double::settings::Order::Shuffle);
}

#[test]
fn parts_of_a_buffer_that_do_not_overlap() {
    clean(|gpu| {
        let a = gpu.buffer(256);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        let pipeline = gpu.pipeline("add");
        for i in 0..4 {
            encoder.setComputePipelineState(&pipeline);
            unsafe { encoder.setBuffer_offset_atIndex(Some(&a), i * 64, 0) };
            set_u32(&encoder, 1, 1);
            encoder.dispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
        }
        encoder.endEncoding();
        finish(&command_buffer);
        assert!(words(&a).iter().all(|word| *word == 1));
    });
}

fn store_bytes(gpu: &Gpu, starts: &[u32]) {
    let a = gpu.buffer(64);
    let command_buffer = gpu.command_buffer();
    let encoder = concurrent(&command_buffer);
    encoder.setComputePipelineState(&gpu.pipeline("store_bytes"));
    bind(&encoder, &a, 0);
    for start in starts {
        set_u32(&encoder, *start, 1);
        encoder.dispatchThreads_threadsPerThreadgroup(size(2, 1, 1), size(2, 1, 1));
    }
    encoder.endEncoding();
    finish(&command_buffer);
}

#[test]
fn bytes_of_one_word() {
    clean(|gpu| store_bytes(gpu, &[4, 6]));
    refused(&["Hazard", "at byte offset 5"], |gpu| {
        store_bytes(gpu, &[4, 5])
    });
}

#[test]
fn atomics_of_two_dispatches() {
    let count = |gpu: &Gpu, atomic: bool| {
        let a = gpu.buffer(64);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&gpu.pipeline("count_up"));
        bind(&encoder, &a, 0);
        encoder.dispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
        if atomic {
            encoder.dispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
        } else {
            add(&encoder, &gpu.pipeline("add"), &a, 16, 1);
        }
        encoder.endEncoding();
        finish(&command_buffer);
        assert_eq!(words(&a)[0], 32);
    };
    clean(|gpu| count(gpu, true));
    refused(&["Hazard", "\"count_up\"", "\"add\""], |gpu| {
        count(gpu, false)
    });
}

#[test]
fn accesses_outside_what_is_bound() {
    let at = |gpu: &Gpu, at: u32| {
        let a = gpu.buffer(64);
        a.setLabel(Some(&ns("short")));
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&gpu.pipeline("beyond"));
        bind(&encoder, &a, 0);
        set_u32(&encoder, at, 1);
        encoder.dispatchThreads_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
        encoder.endEncoding();
        finish(&command_buffer);
    };
    clean(|gpu| at(gpu, 15));
    refused(
        &[
            "Invalid device store executing kernel function \"beyond\"",
            "\"short\", offset 64 of 64",
        ],
        |gpu| at(gpu, 16),
    );
}

#[test]
fn a_barrier_that_not_every_thread_reaches() {
    refused(&["kernel split"], |gpu| {
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&gpu.pipeline("split"));
        bind(&encoder, &gpu.buffer(256), 0);
        encoder.dispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(8, 1, 1));
        encoder.endEncoding();
        finish(&command_buffer);
    });
}

/// How the second of two encoders is made to wait for the first.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Nothing,
    Fence,
    FenceOfAnother,
    Event,
    Host,
}

/// Two encoders that add to one buffer, in one command buffer or in two, of one queue or of two.
fn two_passes(gpu: &Gpu, buffer: &Buffer, order: Order, command_buffers: usize, queues: usize) {
    let pipeline = gpu.pipeline("add");
    let (fence, other_fence, event) = (
        gpu.device.newFence().unwrap(),
        gpu.device.newFence().unwrap(),
        gpu.device.newEvent().unwrap(),
    );
    let second_queue = if queues == 2 {
        gpu.device.newCommandQueue().unwrap()
    } else {
        gpu.queue.clone()
    };
    control::hold(order != Order::Host);
    let first = gpu.command_buffer();
    let encoder = concurrent(&first);
    add(&encoder, &pipeline, buffer, 1, 16);
    encoder.updateFence(if order == Order::FenceOfAnother {
        &other_fence
    } else {
        &fence
    });
    encoder.endEncoding();
    if order == Order::Event {
        first.encodeSignalEvent_value(&event, 1);
    }
    let second = if command_buffers == 2 {
        first.commit();
        if order == Order::Host {
            first.waitUntilCompleted();
        }
        second_queue.commandBuffer().unwrap()
    } else {
        first.clone()
    };
    if order == Order::Event {
        second.encodeWaitForEvent_value(&event, 1);
    }
    let encoder = concurrent(&second);
    if order == Order::Fence || order == Order::FenceOfAnother {
        encoder.waitForFence(&fence);
    }
    add(&encoder, &pipeline, buffer, 1, 16);
    encoder.endEncoding();
    second.commit();
    control::hold(false);
    second.waitUntilCompleted();
    first.waitUntilCompleted();
}

#[test]
fn untracked_buffers_between_encoders() {
    let text = &[
        "Hazard",
        "no fence, event or wait between their encoders",
        "MTLResourceHazardTrackingModeUntracked",
    ];
    for command_buffers in [1, 2] {
        refused(text, |gpu| {
            two_passes(gpu, &gpu.untracked(64), Order::Nothing, command_buffers, 1)
        });
        refused(text, |gpu| {
            two_passes(
                gpu,
                &gpu.untracked(64),
                Order::FenceOfAnother,
                command_buffers,
                1,
            )
        });
        clean(|gpu| two_passes(gpu, &gpu.untracked(64), Order::Fence, command_buffers, 1));
        clean(|gpu| two_passes(gpu, &gpu.untracked(64), Order::Event, command_buffers, 1));
        clean(|gpu| two_passes(gpu, &gpu.buffer(64), Order::Nothing, command_buffers, 1));
    }
    clean(|gpu| two_passes(gpu, &gpu.untracked(64), Order::Host, 2, 1));
}

#[test]
fn buffers_between_queues() {
    let text = &["Hazard", "their command queues differ"];
    refused(text, |gpu| {
        two_passes(gpu, &gpu.buffer(64), Order::Nothing, 2, 2)
    });
    clean(|gpu| two_passes(gpu, &gpu.buffer(64), Order::Event, 2, 2));
    clean(|gpu| two_passes(gpu, &gpu.buffer(64), Order::Host, 2, 2));
}

#[test]
fn untracked_buffers_between_a_blit_and_a_kernel() {
    let fill_then_add = |gpu: &Gpu, buffer: &Buffer, fence: bool| {
        let order = gpu.device.newFence().unwrap();
        let command_buffer = gpu.command_buffer();
        let blit = command_buffer.blitCommandEncoder().unwrap();
        blit.fillBuffer_range_value(buffer, NSRange::new(0, 64), 0);
        if fence {
            blit.updateFence(&order);
        }
        blit.endEncoding();
        let encoder = concurrent(&command_buffer);
        if fence {
            encoder.waitForFence(&order);
        }
        add(&encoder, &gpu.pipeline("add"), buffer, 1, 16);
        encoder.endEncoding();
        finish(&command_buffer);
    };
    refused(&["Hazard", "\"fill\"", "\"add\""], |gpu| {
        fill_then_add(gpu, &gpu.untracked(64), false)
    });
    clean(|gpu| fill_then_add(gpu, &gpu.untracked(64), true));
    clean(|gpu| fill_then_add(gpu, &gpu.buffer(64), false));
}

#[test]
fn nothing_is_watched_when_hazards_are_off() {
    clean(|gpu| {
        control::set_hazards(false);
        dependent(gpu, MTLDispatchType::Concurrent, Between::Nothing);
    });
}

#[test]
fn dispatches_without_a_barrier_run_in_another_order() {
    // Ten dispatches each write their number to the same word; the last in program order is not always last.
    let last = |gpu: &Gpu| {
        control::set_hazards(false);
        let a = gpu.buffer(64);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&gpu.pipeline("copy"));
        for i in 0..10u32 {
            set_u32(&encoder, i, 0);
            bind(&encoder, &a, 1);
            encoder.dispatchThreads_threadsPerThreadgroup(size(1, 1, 1), size(1, 1, 1));
        }
        encoder.endEncoding();
        finish(&command_buffer);
        words(&a)[0]
    };
    clean(|gpu| {
        control::set_order(metal_double::settings::Order::Program);
        assert_eq!(last(gpu), 9);
        control::set_order(metal_double::settings::Order::Reverse);
        assert_eq!(last(gpu), 0);
        control::set_order(metal_double::settings::Order::Shuffle);
        assert!((0..8).any(|_| last(gpu) != 9));
    });
}
