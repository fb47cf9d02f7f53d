//! Command buffers run, in order, asynchronously, and give what kernels compute.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use block2::RcBlock;
use common::*;
use metal_double::control;
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSRange;
use objc2_metal::*;

#[test]
fn a_kernel_runs_over_a_buffer() {
    clean(|gpu| {
        let buffer = gpu.buffer(256);
        words(&buffer)[3] = 40;
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        add(&encoder, &gpu.pipeline("add"), &buffer, 2, 64);
        encoder.endEncoding();
        finish(&command_buffer);
        assert_eq!(command_buffer.status(), MTLCommandBufferStatus::Completed);
        assert_eq!(words(&buffer)[3], 42);
        assert_eq!(words(&buffer)[63], 2);
        assert!(command_buffer.GPUEndTime() > command_buffer.GPUStartTime());
        assert!(command_buffer.error().is_none());
    });
}

#[test]
fn groups_threadgroup_memory_and_offsets() {
    clean(|gpu| {
        let buffer = gpu.buffer(256);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&gpu.pipeline("sum"));
        unsafe {
            encoder.setBuffer_offset_atIndex(Some(&buffer), 0, 0);
            encoder.setThreadgroupMemoryLength_atIndex(256, 0);
            encoder.setBufferOffset_atIndex(128, 0);
        }
        encoder.dispatchThreadgroups_threadsPerThreadgroup(size(1, 1, 1), size(64, 1, 1));
        encoder.endEncoding();
        finish(&command_buffer);
        assert_eq!(words(&buffer)[32], 63 * 64 / 2);
        assert_eq!(words(&buffer)[0], 0);
    });
}

#[test]
fn function_constants_are_given_by_index() {
    clean(|gpu| {
        let library = gpu
            .device
            .newLibraryWithSource_options_error(&ns(SCALED), None)
            .expect("a library");
        let values = MTLFunctionConstantValues::new();
        let scale = 3u32;
        unsafe {
            values.setConstantValue_type_atIndex(NonNull::from(&scale).cast(), MTLDataType::UInt, 0)
        };
        let function = library
            .newFunctionWithName_constantValues_error(&ns("scaled"), &values)
            .expect("a function");
        let pipeline = gpu
            .device
            .newComputePipelineStateWithFunction_error(&function)
            .expect("a pipeline");
        let buffer = gpu.buffer(64);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&pipeline);
        bind(&encoder, &buffer, 0);
        encoder.dispatchThreads_threadsPerThreadgroup(size(16, 1, 1), size(16, 1, 1));
        encoder.endEncoding();
        finish(&command_buffer);
        assert_eq!(words(&buffer)[5], 15);
    });
}

#[test]
fn a_text_that_is_wrong_is_an_error_that_says_where() {
    clean(|gpu| {
        let error = gpu
            .device
            .newLibraryWithSource_options_error(&ns("kernel void f() { x = 1; }"), None)
            .unwrap_err();
        let text = error.localizedDescription().to_string();
        assert!(text.contains("'x'"), "{text}");
        assert_eq!(error.domain().to_string(), "MTLLibraryErrorDomain");
        assert_eq!(error.code(), MTLLibraryError::CompileFailure.0 as isize);
    });
}

#[test]
fn commits_return_before_the_work_is_done() {
    clean(|gpu| {
        let buffer = gpu.buffer(64);
        let pipeline = gpu.pipeline("add");
        control::hold(true);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        add(&encoder, &pipeline, &buffer, 1, 16);
        encoder.endEncoding();
        command_buffer.commit();
        assert_ne!(command_buffer.status(), MTLCommandBufferStatus::Completed);
        assert_eq!(words(&buffer)[0], 0);
        control::hold(false);
        command_buffer.waitUntilCompleted();
        assert_eq!(words(&buffer)[0], 1);
    });
}

#[test]
fn command_buffers_run_in_the_order_of_enqueue_and_commit() {
    clean(|gpu| {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let note = |command_buffer: &CommandBuffer, name: &'static str| {
            let order = order.clone();
            let block = RcBlock::new(move |_: NonNull<ProtocolObject<dyn MTLCommandBuffer>>| {
                order.lock().unwrap().push(name)
            });
            unsafe { command_buffer.addScheduledHandler(RcBlock::as_ptr(&block)) };
        };
        let (first, second) = (gpu.command_buffer(), gpu.command_buffer());
        note(&first, "first");
        note(&second, "second");
        first.enqueue();
        assert_eq!(first.status(), MTLCommandBufferStatus::Enqueued);
        second.commit();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(
            second.status(),
            MTLCommandBufferStatus::Committed,
            "it waits for the one that was enqueued before"
        );
        first.commit();
        second.waitUntilCompleted();
        assert_eq!(*order.lock().unwrap(), ["first", "second"]);
    });
}

#[test]
fn an_enqueued_command_buffer_that_is_let_go_blocks_nobody() {
    clean(|gpu| {
        let second = objc2::rc::autoreleasepool(|_| {
            let first = gpu.command_buffer();
            first.enqueue();
            let second = gpu.command_buffer();
            second.commit();
            second
        });
        second.waitUntilCompleted();
    });
}

#[test]
fn handlers_run_on_another_thread_and_see_the_end() {
    clean(|gpu| {
        let called = Arc::new(AtomicUsize::new(0));
        let here = std::thread::current().id();
        let command_buffer = gpu.command_buffer();
        let counted = called.clone();
        let block = RcBlock::new(move |of: NonNull<ProtocolObject<dyn MTLCommandBuffer>>| {
            assert_ne!(std::thread::current().id(), here);
            let of = unsafe { of.as_ref() };
            assert_eq!(of.status(), MTLCommandBufferStatus::Completed);
            of.waitUntilCompleted();
            counted.fetch_add(1, SeqCst);
        });
        unsafe { command_buffer.addCompletedHandler(RcBlock::as_ptr(&block)) };
        finish(&command_buffer);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while called.load(SeqCst) == 0 && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(called.load(SeqCst), 1);
    });
}

#[test]
fn blits_copy_and_fill() {
    clean(|gpu| {
        let (a, b) = (gpu.buffer(64), gpu.buffer(64));
        words(&a)[2] = 7;
        let command_buffer = gpu.command_buffer();
        let encoder = command_buffer.blitCommandEncoder().expect("an encoder");
        unsafe {
            encoder.copyFromBuffer_sourceOffset_toBuffer_destinationOffset_size(&a, 8, &b, 16, 4)
        };
        encoder.fillBuffer_range_value(&b, NSRange::new(32, 8), 0xff);
        encoder.endEncoding();
        finish(&command_buffer);
        assert_eq!(words(&b)[4], 7);
        assert_eq!(words(&b)[8..11], [u32::MAX, u32::MAX, 0]);
    });
}

#[test]
fn shared_events_order_the_host_and_queues() {
    clean(|gpu| {
        let event = gpu.device.newSharedEvent().expect("an event");
        let as_event: &ProtocolObject<dyn MTLEvent> = ProtocolObject::from_ref(&*event);
        let buffer = gpu.buffer(64);
        let pipeline = gpu.pipeline("add");
        let other = gpu.device.newCommandQueue().expect("a queue");
        let second = other.commandBuffer().expect("a command buffer");
        second.encodeWaitForEvent_value(as_event, 2);
        let encoder = concurrent(&second);
        add(&encoder, &pipeline, &buffer, 1, 16);
        encoder.endEncoding();
        second.commit();
        let first = gpu.command_buffer();
        first.encodeWaitForEvent_value(as_event, 1);
        let encoder = concurrent(&first);
        add(&encoder, &pipeline, &buffer, 10, 16);
        encoder.endEncoding();
        first.encodeSignalEvent_value(as_event, 2);
        first.commit();
        assert!(!event.waitUntilSignaledValue_timeoutMS(2, 20));
        assert_eq!(words(&buffer)[0], 0);
        event.setSignaledValue(1);
        assert!(event.waitUntilSignaledValue_timeoutMS(2, 10_000));
        second.waitUntilCompleted();
        assert_eq!(words(&buffer)[0], 11);
        assert_eq!(event.signaledValue(), 2);
    });
}

#[test]
fn indirect_dispatches_read_their_groups_when_they_run() {
    clean(|gpu| {
        let (out, groups) = (gpu.buffer(256), gpu.buffer(64));
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        encoder.setComputePipelineState(&gpu.pipeline("add"));
        bind(&encoder, &out, 0);
        set_u32(&encoder, 1, 1);
        unsafe {
            encoder
                .dispatchThreadgroupsWithIndirectBuffer_indirectBufferOffset_threadsPerThreadgroup(
                    &groups,
                    16,
                    size(8, 1, 1),
                );
        }
        encoder.endEncoding();
        words(&groups)[4..7].copy_from_slice(&[3, 1, 1]);
        finish(&command_buffer);
        assert_eq!(words(&out)[23], 1);
        assert_eq!(words(&out)[24], 0);
    });
}

#[test]
fn buffers_over_the_programs_own_pages() {
    clean(|gpu| {
        #[repr(align(4096))]
        struct Page([u8; 4096]);
        let mut page = Box::new(Page([0; 4096]));
        let gone = Arc::new(AtomicBool::new(false));
        let told = gone.clone();
        let deallocator = RcBlock::new(move |_: NonNull<c_void>, length: usize| {
            assert_eq!(length, 4096);
            told.store(true, SeqCst);
        });
        objc2::rc::autoreleasepool(|_| {
            let buffer = unsafe {
                gpu.device
                    .newBufferWithBytesNoCopy_length_options_deallocator(
                        NonNull::from(&mut page.0).cast(),
                        4096,
                        MTLResourceOptions::StorageModeShared,
                        Some(&deallocator),
                    )
            }
            .expect("a buffer");
            let command_buffer = gpu.command_buffer();
            let encoder = concurrent(&command_buffer);
            add(&encoder, &gpu.pipeline("add"), &buffer, 5, 16);
            encoder.endEncoding();
            finish(&command_buffer);
        });
        assert!(gone.load(SeqCst), "the deallocator was called");
        assert_eq!(page.0[..4], 5u32.to_ne_bytes());
    });
}

#[test]
fn nothing_runs_when_execution_is_off() {
    clean(|gpu| {
        control::set_execute(false);
        let buffer = gpu.buffer(64);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        add(&encoder, &gpu.pipeline("add"), &buffer, 5, 16);
        encoder.endEncoding();
        finish(&command_buffer);
        assert_eq!(command_buffer.status(), MTLCommandBufferStatus::Completed);
        assert_eq!(words(&buffer)[0], 0);
    });
}
