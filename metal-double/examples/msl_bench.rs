//! How fast the MSL engine compiles and runs: milliseconds per text, nanoseconds per switch, threads per second.
#![allow(unsafe_code, reason = "running a kernel is unsafe")]

use std::time::Instant;

use metal_double::msl::{Arguments, CompileOptions, Function, Grid, Library, Watch};

const TEXT: &str = r#"
#include <metal_stdlib>
using namespace metal;
kernel void plain(device const float* a [[buffer(0)]], device float* b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    b[i] = a[i] * 2.0f + b[i];
}
kernel void barriers(device float* b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    for (uint k = 0; k < 64; k++) threadgroup_barrier(mem_flags::mem_threadgroup);
    b[i] = 1.0f;
}
kernel void sums(device float* b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    float s = float(i);
    for (uint k = 0; k < 64; k++) s = simd_sum(s) * 0.03125f;
    b[i] = s;
}
"#;

#[derive(Default)]
struct Count(u64);

impl Watch for Count {
    fn access(&mut self, _: usize, len: usize, _: bool, _: bool) {
        self.0 += len as u64;
    }
}

fn main() {
    let options = CompileOptions {
        language: (3, 1),
        fast_math: false,
    };
    let texts = 10;
    let (mut check, mut compile) = (0.0, 0.0);
    let mut library = None;
    // The first text makes the precompiled headers.
    for at in 0..=texts {
        let text = format!("{TEXT}\n// {} {at}\n", std::process::id());
        let start = Instant::now();
        let made = Library::compile(&text, &options).unwrap_or_else(|e| panic!("{e}"));
        let checked = start.elapsed().as_secs_f64() * 1e3;
        made.function("plain", &[])
            .unwrap_or_else(|e| panic!("{e}"));
        let all = start.elapsed().as_secs_f64() * 1e3;
        if at > 0 {
            check += checked / f64::from(texts);
            compile += (all - checked) / f64::from(texts);
        }
        library = Some(made);
    }
    println!("check {check:.0} ms, compile {compile:.0} ms");
    let library = library.expect("compiled");
    let function = |name: &str| {
        library
            .function(name, &[])
            .unwrap_or_else(|e| panic!("{e}"))
    };

    let threads = 256 * 4096;
    let nanoseconds = time(&function("plain"), threads, None);
    println!(
        "plain kernel: {:.1} ns a thread, {:.0} million threads a second",
        nanoseconds,
        1e3 / nanoseconds
    );
    let mut count = Count::default();
    let nanoseconds = time(&function("plain"), threads, Some(&mut count));
    println!(
        "the same, watched ({} bytes): {nanoseconds:.1} ns a thread",
        count.0
    );
    let nanoseconds = time(&function("barriers"), threads / 64, None);
    println!("barrier: {:.1} ns a thread", nanoseconds / 64.0);
    let nanoseconds = time(&function("sums"), threads / 64, None);
    println!("simd_sum: {:.1} ns a thread", nanoseconds / 64.0);
}

/// Nanoseconds a thread.
fn time(function: &Function, threads: u32, watch: Option<&mut dyn Watch>) -> f64 {
    let mut memory = [vec![1f32; threads as usize], vec![1f32; threads as usize]];
    let mut arguments = Arguments {
        buffers: [std::ptr::null_mut(); 31],
        threadgroup: [0; 31],
    };
    for (at, memory) in memory.iter_mut().enumerate() {
        arguments.buffers[at] = memory.as_mut_ptr().cast();
    }
    let grid = Grid {
        groups: [threads / 256, 1, 1],
        threads_per_group: [256, 1, 1],
        threads: None,
    };
    let warm = Grid {
        groups: [1, 1, 1],
        ..grid
    };
    let mut none = Count::default();
    let warm_watch: Option<&mut dyn Watch> = if watch.is_some() {
        Some(&mut none)
    } else {
        None
    };
    // SAFETY: both buffers have an element for every thread.
    unsafe { function.run(&warm, &arguments, warm_watch) }.unwrap_or_else(|e| panic!("{e}"));
    let start = processor_time();
    // SAFETY: as above.
    unsafe { function.run(&grid, &arguments, watch) }.unwrap_or_else(|e| panic!("{e}"));
    (processor_time() - start) / f64::from(threads)
}

/// Nanoseconds that this thread has run.
fn processor_time() -> f64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to a local.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
