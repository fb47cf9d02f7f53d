//! Command buffers run, in order, asynchronously, and give what kernels compute.

mod common;

use common::*;
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
    });
}
