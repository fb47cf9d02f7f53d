//! Objects that go too early, too often, or never.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use std::process::Command;

use common::*;
use metal_double::{control, ledger};
use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSRange;
use objc2_metal::*;

fn live(class: &str) -> u64 {
    ledger::live(class).unwrap()
}

/// Commits work on a buffer, and on a pipeline, that are let go before it runs.
fn let_go_early(gpu: &Gpu, retained: bool, keep_buffer: bool, keep_pipeline: bool) {
    control::hold(true);
    let mut kept = Vec::new();
    let mut kept_pipelines = Vec::new();
    let command_buffer = autoreleasepool(|_| {
        let command_buffer = if retained {
            gpu.queue.commandBuffer()
        } else {
            gpu.queue.commandBufferWithUnretainedReferences()
        };
        let command_buffer = command_buffer.unwrap();
        let buffer = gpu.buffer(64);
        buffer.setLabel(Some(&ns("early")));
        let pipeline = gpu.pipeline("add");
        let encoder = concurrent(&command_buffer);
        add(&encoder, &pipeline, &buffer, 1, 16);
        encoder.endEncoding();
        if keep_buffer {
            kept.push(buffer);
        }
        if keep_pipeline {
            kept_pipelines.push(pipeline);
        }
        command_buffer.commit();
        command_buffer
    });
    control::hold(false);
    command_buffer.waitUntilCompleted();
}

#[test]
fn unretained_references() {
    refused(
        &["buffer early was deallocated before the command buffer with unretained references"],
        |gpu| {
            let_go_early(gpu, false, false, true);
        },
    );
    refused(
        &["pipeline add was deallocated before the command buffer with unretained references"],
        |gpu| {
            let_go_early(gpu, false, true, false);
        },
    );
    clean(|gpu| let_go_early(gpu, false, true, true));
    clean(|gpu| let_go_early(gpu, true, false, false));
}

#[test]
fn unretained_references_of_a_descriptor_and_of_a_blit() {
    refused(&["was deallocated", "(kernel fill)"], |gpu| {
        control::hold(true);
        let command_buffer = autoreleasepool(|_| {
            let descriptor = MTLCommandBufferDescriptor::new();
            assert!(descriptor.retainedReferences());
            descriptor.setRetainedReferences(false);
            let command_buffer = gpu.queue.commandBufferWithDescriptor(&descriptor).unwrap();
            let encoder = command_buffer.blitCommandEncoder().unwrap();
            encoder.fillBuffer_range_value(&gpu.buffer(64), NSRange::new(0, 64), 1);
            encoder.endEncoding();
            command_buffer.commit();
            command_buffer
        });
        control::hold(false);
        command_buffer.waitUntilCompleted();
    });
}

#[test]
fn memory_is_poisoned_when_a_command_buffer_may_still_use_it() {
    clean(|gpu| {
        control::hold(true);
        let mut contents = std::ptr::null_mut::<u8>();
        let command_buffer = autoreleasepool(|_| {
            let command_buffer = gpu.queue.commandBufferWithUnretainedReferences().unwrap();
            let buffer = gpu.buffer(64);
            contents = buffer.contents().cast().as_ptr();
            let encoder = concurrent(&command_buffer);
            bind(&encoder, &buffer, 0);
            encoder.endEncoding();
            command_buffer.commit();
            command_buffer
        });
        assert_eq!(unsafe { contents.read() }, 0xDB);
        control::hold(false);
        command_buffer.waitUntilCompleted();
    });
}

#[test]
fn retained_buffers_live_until_the_end() {
    clean(|gpu| {
        let before = (live("MTLBuffer"), gpu.device.currentAllocatedSize());
        control::hold(true);
        let command_buffer = autoreleasepool(|_| {
            let command_buffer = gpu.command_buffer();
            let encoder = concurrent(&command_buffer);
            bind(&encoder, &gpu.buffer(64), 0);
            encoder.endEncoding();
            command_buffer.commit();
            command_buffer
        });
        assert_eq!(live("MTLBuffer"), before.0, "the object itself is gone");
        assert_eq!(
            gpu.device.currentAllocatedSize(),
            before.1 + 16384,
            "its memory is not"
        );
        control::hold(false);
        command_buffer.waitUntilCompleted();
        assert_eq!(gpu.device.currentAllocatedSize(), before.1);
    });
}

#[test]
fn live_objects_are_counted() {
    clean(|gpu| {
        let classes = [
            "MTLBuffer",
            "MTLCommandBuffer",
            "MTLComputeCommandEncoder",
            "MTLComputePipelineState",
            "MTLLibrary",
            "MTLFunction",
            "MTLCommandQueue",
        ];
        let before = classes.map(live);
        autoreleasepool(|_| {
            let queue = gpu.device.newCommandQueue().unwrap();
            let buffer = gpu.buffer(64);
            let pipeline = gpu.pipeline("add");
            let command_buffer = queue.commandBuffer().unwrap();
            let encoder = concurrent(&command_buffer);
            add(&encoder, &pipeline, &buffer, 1, 16);
            assert_eq!(live("MTLBuffer"), before[0] + 1);
            assert_eq!(live("MTLComputeCommandEncoder"), before[2] + 1);
            encoder.endEncoding();
            finish(&command_buffer);
        });
        // The queue's thread lets go of a command buffer a moment after its end.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while classes.map(live) != before && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(classes.map(live), before);
    });
}

#[test]
fn a_release_too_many() {
    refused(
        &[
            "-[FakeMTLBuffer release]",
            "message sent to deallocated instance",
        ],
        |gpu| {
            let buffer = gpu.buffer(64);
            let again =
                unsafe { Retained::from_raw(Retained::as_ptr(&buffer).cast_mut()) }.unwrap();
            drop(again);
            drop(buffer);
        },
    );
    clean(|gpu| {
        let buffer = gpu.buffer(64);
        let again = buffer.clone();
        drop(again);
        drop(buffer);
    });
}

#[test]
fn a_retain_of_what_is_gone() {
    refused(
        &[
            "-[FakeMTLFence retain]",
            "message sent to deallocated instance",
        ],
        |gpu| {
            let fence = gpu.device.newFence().unwrap();
            let pointer = Retained::as_ptr(&fence);
            drop(fence);
            let again = unsafe { Retained::retain(pointer.cast_mut()) };
            std::mem::forget(again);
        },
    );
}

#[test]
fn objects_without_a_pool() {
    refused(
        &[
            "MISSING POOLS",
            "FakeMTLCommandBuffer",
            "autoreleased with no pool in place",
        ],
        |gpu| {
            let queue = gpu.queue.clone();
            std::thread::spawn(move || drop(queue.commandBuffer()))
                .join()
                .unwrap();
        },
    );
    clean(|gpu| {
        let queue = gpu.queue.clone();
        std::thread::spawn(move || autoreleasepool(|_| drop(queue.commandBuffer())))
            .join()
            .unwrap();
    });
}

#[test]
fn residency_sets_keep_their_members() {
    clean(|gpu| {
        let before = live("MTLBuffer");
        let set = gpu
            .device
            .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
            .unwrap();
        autoreleasepool(|_| {
            let buffer = gpu.buffer(64);
            let member: &ProtocolObject<dyn MTLAllocation> = ProtocolObject::from_ref(&*buffer);
            set.addAllocation(member);
            set.commit();
            assert!(set.containsAllocation(member));
            assert_eq!(set.allocationCount(), 1);
        });
        assert_eq!(live("MTLBuffer"), before + 1);
        set.removeAllAllocations();
        assert_eq!(
            live("MTLBuffer"),
            before + 1,
            "the removal counts once it is committed"
        );
        set.commit();
        assert_eq!(live("MTLBuffer"), before);
    });
}

/// Not a test: misuse that is not collected, run in a process of its own.
#[test]
#[ignore = "run by the test below"]
fn misuse_in_a_process_of_its_own() {
    autoreleasepool(|_| {
        let device = MTLCreateSystemDefaultDevice().unwrap();
        let _ = device.newBufferWithLength_options(0, MTLResourceOptions::StorageModeShared);
    });
}

#[test]
fn misuse_aborts_unless_it_is_collected() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "misuse_in_a_process_of_its_own",
            "--nocapture",
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("-[MTLDebugDevice newBufferWithLength:options:]: failed assertion `Cannot create buffer of zero length.'"), "{text}");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(output.status.signal(), Some(6));
}
