//! Counters, faults on demand, features that are absent, archives, captures and counts.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "tests call what objc2-metal marks unsafe"
)]

mod common;

use std::path::PathBuf;
use std::ptr::NonNull;

use common::*;
use metal_double::control::{self, Call};
use metal_double::counts;
use objc2::AnyThread;
use objc2::rc::Retained;
use objc2::runtime::{NSObjectProtocol, ProtocolObject};
use objc2_foundation::{NSArray, NSRange, NSURL};
use objc2_metal::*;

fn samples(
    gpu: &Gpu,
    count: usize,
) -> Result<Retained<ProtocolObject<dyn MTLCounterSampleBuffer>>, String> {
    let descriptor = MTLCounterSampleBufferDescriptor::new();
    let sets = gpu.device.counterSets().ok_or("no sets")?;
    let wanted = unsafe { MTLCommonCounterSetTimestamp };
    let set = sets
        .iter()
        .find(|set| *set.name() == *wanted)
        .ok_or("no timestamps")?;
    descriptor.setCounterSet(Some(&set));
    descriptor.setStorageMode(MTLStorageMode::Shared);
    unsafe { descriptor.setSampleCount(count) };
    let made = gpu
        .device
        .newCounterSampleBufferWithDescriptor_error(&descriptor);
    made.map_err(|error| error.localizedDescription().to_string())
}

fn resolved(
    samples: &ProtocolObject<dyn MTLCounterSampleBuffer>,
    range: NSRange,
) -> Option<Vec<u64>> {
    let data = unsafe { samples.resolveCounterRange(range) }?;
    let bytes = data.to_vec();
    Some(
        bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .collect(),
    )
}

fn sampled_pass(
    gpu: &Gpu,
    samples: &ProtocolObject<dyn MTLCounterSampleBuffer>,
    start: usize,
    end: usize,
) {
    let pass = MTLComputePassDescriptor::computePassDescriptor();
    pass.setDispatchType(MTLDispatchType::Concurrent);
    let at = unsafe { pass.sampleBufferAttachments().objectAtIndexedSubscript(0) };
    at.setSampleBuffer(Some(samples));
    unsafe {
        at.setStartOfEncoderSampleIndex(start);
        at.setEndOfEncoderSampleIndex(end);
    }
    let command_buffer = gpu.command_buffer();
    let encoder = command_buffer
        .computeCommandEncoderWithDescriptor(&pass)
        .unwrap();
    assert_eq!(encoder.dispatchType(), MTLDispatchType::Concurrent);
    add(&encoder, &gpu.pipeline("add"), &gpu.buffer(256), 1, 64);
    encoder.endEncoding();
    finish(&command_buffer);
}

fn both_clocks(gpu: &Gpu) -> (u64, u64) {
    let (mut cpu, mut ticks) = (0, 0);
    unsafe {
        gpu.device
            .sampleTimestamps_gpuTimestamp(NonNull::from(&mut cpu), NonNull::from(&mut ticks))
    };
    (cpu, ticks)
}

#[test]
fn passes_are_sampled_at_their_ends_in_the_gpus_clock() {
    clean(|gpu| {
        assert!(
            gpu.device
                .supportsCounterSampling(MTLCounterSamplingPoint::AtStageBoundary)
        );
        assert!(
            !gpu.device
                .supportsCounterSampling(MTLCounterSamplingPoint::AtDispatchBoundary)
        );
        let samples = samples(gpu, 4).unwrap();
        let before = both_clocks(gpu);
        sampled_pass(gpu, &samples, 1, 2);
        let after = both_clocks(gpu);
        let values = resolved(&samples, NSRange::new(0, 4)).unwrap();
        assert_eq!(
            (values[0], values[3]),
            (u64::MAX, u64::MAX),
            "nobody sampled these"
        );
        assert!(
            before.1 <= values[1] && values[1] < values[2] && values[2] <= after.1,
            "{before:?} {values:?} {after:?}"
        );
        // The clocks differ in rate.
        let (cpu, ticks) = ((after.0 - before.0) as f64, (after.1 - before.1) as f64);
        assert!((ticks / cpu - 0.375).abs() < 0.01, "{ticks} {cpu}");
    });
}

#[test]
fn sample_buffers_have_limits() {
    clean(|gpu| {
        assert!(samples(gpu, 4096).is_ok());
        assert!(samples(gpu, 4097).unwrap_err().contains("32776 B"));
        assert!(samples(gpu, 0).is_err());
        let many: Vec<_> = (0..32).map(|_| samples(gpu, 1).unwrap()).collect();
        assert!(samples(gpu, 1).unwrap_err().contains("32 exist already"));
        drop(many);
        assert!(samples(gpu, 1).is_ok());
    });
    refused(
        &["startOfEncoderSampleIndex (2) must be < the sample buffer's sampleCount (2)"],
        |gpu| {
            sampled_pass(gpu, &samples(gpu, 2).unwrap(), 2, 1);
        },
    );
    refused(&["must differ"], |gpu| {
        sampled_pass(gpu, &samples(gpu, 2).unwrap(), 1, 1)
    });
    refused(
        &["range.location(1) + range.length(2) must be <= sampleCount(2)"],
        |gpu| {
            assert!(resolved(&samples(gpu, 2).unwrap(), NSRange::new(1, 2)).is_none());
        },
    );
}

#[test]
fn command_buffers_fail_on_demand() {
    clean(|gpu| {
        for (code, text) in [
            (MTLCommandBufferError::OutOfMemory, "Insufficient Memory"),
            (MTLCommandBufferError::Timeout, "Caused GPU Timeout Error"),
            (
                MTLCommandBufferError::PageFault,
                "Caused GPU Address Fault Error",
            ),
            (MTLCommandBufferError::DeviceRemoved, "Device Removed"),
            (MTLCommandBufferError::AccessRevoked, "Access Revoked"),
        ] {
            control::fail_next_command_buffer(code.0, text);
            let command_buffer = gpu.command_buffer();
            finish(&command_buffer);
            assert_eq!(command_buffer.status(), MTLCommandBufferStatus::Error);
            let error = command_buffer.error().unwrap();
            assert_eq!(error.code(), code.0 as isize);
            assert_eq!(&*error.domain(), unsafe { MTLCommandBufferErrorDomain });
            assert!(error.localizedDescription().to_string().contains(text));
        }
        let next = gpu.command_buffer();
        finish(&next);
        assert_eq!(next.status(), MTLCommandBufferStatus::Completed);
    });
}

#[test]
fn an_error_tells_which_encoders_ran() {
    clean(|gpu| {
        let descriptor = MTLCommandBufferDescriptor::new();
        descriptor.setErrorOptions(MTLCommandBufferErrorOption::EncoderExecutionStatus);
        let command_buffer = gpu.queue.commandBufferWithDescriptor(&descriptor).unwrap();
        for label in ["first", "second", "third", "fourth"] {
            let encoder = concurrent(&command_buffer);
            encoder.setLabel(Some(&ns(label)));
            encoder.insertDebugSignpost(&ns("here"));
            encoder.endEncoding();
        }
        control::fail_next_command_buffer(MTLCommandBufferError::PageFault.0, "fault");
        finish(&command_buffer);
        let error = command_buffer.error().unwrap();
        let infos = error
            .userInfo()
            .objectForKey(unsafe { MTLCommandBufferEncoderInfoErrorKey })
            .unwrap();
        let infos = infos.downcast::<NSArray>().unwrap();
        let seen: Vec<_> = infos
            .iter()
            .map(|info| {
                let info: &ProtocolObject<dyn MTLCommandBufferEncoderInfo> =
                    unsafe { &*Retained::as_ptr(&info).cast() };
                (
                    info.label().to_string(),
                    info.errorState(),
                    info.debugSignposts().len(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("first".into(), MTLCommandEncoderErrorState::Completed, 1),
                ("second".into(), MTLCommandEncoderErrorState::Completed, 1),
                ("third".into(), MTLCommandEncoderErrorState::Faulted, 1),
                ("fourth".into(), MTLCommandEncoderErrorState::Pending, 1),
            ]
        );
    });
}

#[test]
fn calls_fail_on_demand() {
    clean(|gpu| {
        let buffer = || {
            gpu.device
                .newBufferWithLength_options(64, MTLResourceOptions::StorageModeShared)
        };
        control::fail_next(Call::Buffer, 2);
        assert!(buffer().is_none() && buffer().is_none() && buffer().is_some());
        control::fail_next(Call::Library, 1);
        assert!(
            gpu.device
                .newLibraryWithSource_options_error(&ns(KERNELS), None)
                .is_err()
        );
        let function = gpu.function("add");
        control::fail_next(Call::Pipeline, 1);
        assert!(
            gpu.device
                .newComputePipelineStateWithFunction_error(&function)
                .is_err()
        );
        let set = || {
            gpu.device
                .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
        };
        control::fail_next(Call::ResidencySet, 1);
        assert!(set().is_err() && set().is_ok());
        control::fail_next(Call::Queue, 1);
        assert!(gpu.device.newCommandQueue().is_none());
        control::fail_next(Call::CommandBuffer, 1);
        assert!(gpu.queue.commandBuffer().is_none() && gpu.queue.commandBuffer().is_some());
        control::fail_next(Call::CounterSampleBuffer, 1);
        assert!(samples(gpu, 1).is_err());
    });
}

#[test]
fn memory_ends_where_the_working_set_says() {
    clean(|gpu| {
        control::set_working_set(1 << 20);
        let big = gpu
            .device
            .newBufferWithLength_options(4 << 20, MTLResourceOptions::StorageModeShared);
        control::set_working_set(16 << 30);
        assert!(big.is_none());
    });
}

#[test]
fn features_can_be_absent() {
    clean(|gpu| {
        assert!(
            gpu.device.supportsFamily(MTLGPUFamily::Apple9)
                && gpu.device.supportsFamily(MTLGPUFamily::Metal3)
        );
        let residency = objc2::sel!(newResidencySetWithDescriptor:error:);
        assert!(gpu.device.respondsToSelector(residency));
        assert!(gpu.queue.respondsToSelector(objc2::sel!(addResidencySet:)));
        for feature in ["residency", "counters", "apple8", "device", "capture"] {
            assert!(control::set_feature(feature, false));
        }
        assert!(!gpu.device.respondsToSelector(residency));
        assert!(!gpu.queue.respondsToSelector(objc2::sel!(addResidencySet:)));
        assert!(gpu.queue.respondsToSelector(objc2::sel!(commandBuffer)));
        assert!(
            !gpu.device
                .supportsCounterSampling(MTLCounterSamplingPoint::AtStageBoundary)
        );
        assert!(gpu.device.counterSets().is_none());
        assert!(
            gpu.device.supportsFamily(MTLGPUFamily::Apple7)
                && !gpu.device.supportsFamily(MTLGPUFamily::Apple9)
        );
        assert!(MTLCreateSystemDefaultDevice().is_none());
        assert!(MTLCopyAllDevices().is_empty());
        assert!(!control::set_feature("no such feature", false));
    });
    refused(
        &[
            "newResidencySetWithDescriptor:error:",
            "unrecognized selector",
        ],
        |gpu| {
            control::set_feature("residency", false);
            let _ = gpu
                .device
                .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new());
        },
    );
}

fn scratch(name: &str) -> (PathBuf, Retained<NSURL>) {
    let path =
        std::env::temp_dir().join(format!("metal-double-test-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let url = NSURL::fileURLWithPath(&ns(path.to_str().unwrap()));
    (path, url)
}

fn archived_descriptor(
    gpu: &Gpu,
    name: &str,
    archive: &ProtocolObject<dyn MTLBinaryArchive>,
) -> Retained<MTLComputePipelineDescriptor> {
    let descriptor = MTLComputePipelineDescriptor::init(MTLComputePipelineDescriptor::alloc());
    descriptor.setComputeFunction(Some(&gpu.function(name)));
    descriptor.setBinaryArchives(Some(&NSArray::from_slice(&[archive])));
    descriptor
}

#[test]
fn archives_are_files_that_say_what_was_compiled() {
    clean(|gpu| {
        let (path, url) = scratch("archive.metallib");
        let descriptor = MTLBinaryArchiveDescriptor::new();
        let archive = gpu
            .device
            .newBinaryArchiveWithDescriptor_error(&descriptor)
            .unwrap();
        assert!(
            unsafe { archive.serializeToURL_error(&url) }.is_err(),
            "it is empty"
        );
        let pipeline = MTLComputePipelineDescriptor::new();
        assert!(
            archive
                .addComputePipelineFunctionsWithDescriptor_error(&pipeline)
                .is_err(),
            "no function"
        );
        pipeline.setComputeFunction(Some(&gpu.function("add")));
        archive
            .addComputePipelineFunctionsWithDescriptor_error(&pipeline)
            .unwrap();
        unsafe { archive.serializeToURL_error(&url) }.unwrap();

        descriptor.setUrl(Some(&url));
        let loaded = gpu
            .device
            .newBinaryArchiveWithDescriptor_error(&descriptor)
            .unwrap();
        let build = |name| {
            gpu.device
                .newComputePipelineStateWithDescriptor_options_reflection_error(
                    &archived_descriptor(gpu, name, &loaded),
                    MTLPipelineOption::FailOnBinaryArchiveMiss,
                    None,
                )
        };
        assert!(build("add").is_ok());
        assert_eq!(counts::get("archive_hits"), Some(1));
        assert!(build("copy").is_err(), "it is not in the archive");

        let text = std::fs::read_to_string(&path).unwrap();
        for damaged in [
            &text[..text.len() - 5],
            &text.replace("Metal Double", "Other"),
            "",
            "rubbish",
        ] {
            std::fs::write(&path, damaged).unwrap();
            let error = gpu
                .device
                .newBinaryArchiveWithDescriptor_error(&descriptor)
                .unwrap_err();
            assert_eq!(error.code(), MTLBinaryArchiveError::InvalidFile.0 as isize);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(
            gpu.device
                .newBinaryArchiveWithDescriptor_error(&descriptor)
                .is_err(),
            "there is no file"
        );
    });
}

#[test]
fn captures_write_a_file() {
    clean(|gpu| {
        let (path, url) = scratch("capture.gputrace");
        let manager = unsafe { MTLCaptureManager::sharedCaptureManager() };
        assert!(manager.supportsDestination(MTLCaptureDestination::GPUTraceDocument));
        let descriptor = MTLCaptureDescriptor::new();
        descriptor.setDestination(MTLCaptureDestination::GPUTraceDocument);
        descriptor.setOutputURL(Some(&url));
        assert!(
            manager
                .startCaptureWithDescriptor_error(&descriptor)
                .is_err(),
            "nothing to capture is named"
        );
        descriptor.set_capture_device(&gpu.device);
        manager
            .startCaptureWithDescriptor_error(&descriptor)
            .unwrap();
        assert!(manager.isCapturing());
        let again = manager
            .startCaptureWithDescriptor_error(&descriptor)
            .unwrap_err();
        assert_eq!(again.code(), MTLCaptureError::AlreadyCapturing.0);
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        add(&encoder, &gpu.pipeline("add"), &gpu.buffer(64), 1, 16);
        encoder.endEncoding();
        finish(&command_buffer);
        manager.stopCapture();
        assert!(!manager.isCapturing());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("command buffers 1\ndispatches 1\n"), "{text}");
        assert!(
            manager
                .startCaptureWithDescriptor_error(&descriptor)
                .is_err(),
            "the file exists"
        );
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn what_was_done_is_counted() {
    clean(|gpu| {
        let (buffer, pipeline) = (gpu.buffer(64), gpu.pipeline("add"));
        control::reset_counts();
        let command_buffer = gpu.command_buffer();
        let encoder = concurrent(&command_buffer);
        for _ in 0..3 {
            add(&encoder, &pipeline, &buffer, 1, 16);
            encoder.memoryBarrierWithScope(MTLBarrierScope::Buffers);
        }
        encoder.endEncoding();
        finish(&command_buffer);
        let set = gpu
            .device
            .newResidencySetWithDescriptor_error(&MTLResidencySetDescriptor::new())
            .unwrap();
        set.commit();
        for (name, n) in [
            ("command_buffers", 1),
            ("commits", 1),
            ("compute_encoders", 1),
            ("blit_encoders", 0),
            ("dispatches", 3),
            ("barriers", 3),
            ("set_buffer", 3),
            ("set_bytes", 3),
            ("kernels_run", 3),
            ("residency_commits", 1),
            ("buffers", 0),
        ] {
            assert_eq!(counts::get(name), Some(n), "{name}");
            let c_name = std::ffi::CString::new(name).unwrap();
            assert_eq!(unsafe { control::metal_double_count(c_name.as_ptr()) }, n);
        }
        assert_eq!(counts::get("no such count"), None);
        gpu.buffer(100);
        assert_eq!(
            (counts::get("buffers"), counts::get("buffer_bytes")),
            (Some(1), Some(100))
        );
    });
}

#[test]
fn the_controls_for_c() {
    clean(|_| unsafe {
        assert_eq!(
            control::metal_double_live(c"MTLDevice".as_ptr()),
            metal_double::ledger::live("MTLDevice").unwrap()
        );
        assert_eq!(
            control::metal_double_live(c"NoSuchClass".as_ptr()),
            u64::MAX
        );
        assert_eq!(control::metal_double_count(c"nothing".as_ptr()), u64::MAX);
        assert!(!control::metal_double_fail_next(c"nothing".as_ptr(), 1));
        assert!(!control::metal_double_order(c"nothing".as_ptr()));
        assert!(!control::metal_double_feature(c"nothing".as_ptr(), true));
        metal_double::rules::fail("-[Place here]", "text");
        let mut room = [1u8; 12];
        let needed = control::metal_double_failures(room.as_mut_ptr().cast(), room.len());
        assert_eq!(needed, "-[Place here]: failed assertion `text'".len());
        assert_eq!(&room, b"-[Place her\0");
        assert_eq!(control::metal_double_failures(std::ptr::null_mut(), 0), 0);
    });
}
