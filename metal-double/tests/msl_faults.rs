//! What the double must notice while a kernel runs.

mod msl_support;

use std::time::Instant;

use metal_double::msl::{Grid, Watch};
use msl_support::{Call, function, only};

fn kernel(body: &str) -> String {
    format!(
        "#include <metal_stdlib>\nusing namespace metal;\n\
         kernel void k(device uint* x [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {{\n{body}\n}}\n"
    )
}

fn problem(body: &str) -> String {
    let function = function(&kernel(body), "k", &[]);
    Call::of(&function)
        .buffer(0, &[0u32; 256])
        .run(1, 64)
        .unwrap_err()
}

#[test]
fn barriers_that_some_threads_miss() {
    let returned = problem("if (t < 63) threadgroup_barrier(mem_flags::mem_device);\nx[t] = t;");
    assert!(
        returned.contains("threadgroup_barrier not reached by every thread"),
        "{returned}"
    );
    assert!(
        returned.contains("thread 63 has returned") && returned.contains("line 4"),
        "{returned}"
    );
    let other = problem(
        "if (t < 32) {\nthreadgroup_barrier(mem_flags::mem_device);\n} else {\nthreadgroup_barrier(mem_flags::mem_device);\n}",
    );
    assert!(
        other.contains("line 5") && other.contains("line 7"),
        "{other}"
    );
}

#[test]
fn simdgroup_operations_that_some_lanes_miss() {
    let returned = problem("if (t % 2) return;\nx[t] = simd_sum(t);");
    assert!(returned.contains("divergent control flow"), "{returned}");
    let other = problem("if (t == 40)\nx[t] = simd_sum(t);\nelse\nx[t] = simd_sum(t + 1);");
    assert!(
        other.contains("in simdgroup 1") && other.contains("line 5") && other.contains("line 7"),
        "{other}"
    );
    let barrier =
        problem("if (t == 3) threadgroup_barrier(mem_flags::mem_none); else x[t] = simd_max(t);");
    assert!(barrier.contains("divergent control flow"), "{barrier}");
}

#[test]
fn kernels_that_do_not_end() {
    // SAFETY: the tests of this binary read the variable only within runs, and all bear the limit.
    unsafe { std::env::set_var("METAL_DOUBLE_SECONDS", "0.5") };
    for body in [
        "volatile device uint* p = x; while (p[0] == 0) { }",
        "while (x[1] == 0) { threadgroup_barrier(mem_flags::mem_device); }",
        "while (x[1] == 0) { x[2] += simd_sum(t); }",
    ] {
        let start = Instant::now();
        let message = problem(body);
        assert!(message.contains("does not end"), "{message}");
        assert!(start.elapsed().as_secs() < 30);
    }
    // What comes after is not disturbed.
    let function = function(&kernel("x[t] = simd_sum(t);"), "k", &[]);
    let done = Call::of(&function)
        .buffer(0, &[0u32; 64])
        .run(1, 64)
        .unwrap();
    assert_eq!(done.get::<u32>(0)[0], (0..32).sum::<u32>());
}

#[test]
fn writes_beyond_threadgroup_memory() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(threadgroup uint* x [[threadgroup(0)]], uint t [[thread_index_in_threadgroup]]) { x[t] = t; }\n\
        kernel void body(uint t [[thread_index_in_threadgroup]]) { threadgroup uint x[8]; x[t] = t; }";
    let call = Call::of(&function(text, "k", &[])).threadgroup(0, 4 * 20);
    let message = call.run(1, 21).unwrap_err();
    assert!(
        message.contains("write at byte 80 of threadgroup memory at index 0, which has 80 bytes"),
        "{message}"
    );
    Call::of(&function(text, "k", &[]))
        .threadgroup(0, 4 * 20)
        .run(1, 20)
        .unwrap();
    let message = Call::of(&function(text, "body", &[]))
        .run(1, 9)
        .unwrap_err();
    assert!(message.contains("write at byte 32"), "{message}");
}

/// Threads take turns in an order that a kernel cannot know: without the barrier, some read poison.
#[test]
fn a_missing_barrier_gives_wrong_bytes() {
    let body = |barrier: &str| {
        kernel(&format!(
            "threadgroup uint tile[64];\ntile[t] = t + 1;\n{barrier}\nx[t] = tile[63 - t];"
        ))
    };
    let expected: Vec<u32> = (0..64).map(|t| 64 - t).collect();
    let run = |barrier: &str| {
        let done = Call::of(&function(&body(barrier), "k", &[]))
            .buffer(0, &[0u32; 64])
            .run(1, 64);
        done.unwrap().get::<u32>(0)
    };
    assert_eq!(
        run("threadgroup_barrier(mem_flags::mem_threadgroup);"),
        expected
    );
    let without = run("");
    assert_ne!(without, expected);
    assert!(without.contains(&0x5555_5555));
}

#[derive(Default)]
struct Log(Vec<(usize, usize, bool, bool)>);

impl Watch for Log {
    fn access(&mut self, address: usize, len: usize, write: bool, atomic: bool) {
        self.0.push((address, len, write, atomic));
    }
}

#[test]
fn every_access_is_watched() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        struct Block { half scale; uchar quants[62]; };\n\
        kernel void k(device const float4* a [[buffer(0)]], device float* b [[buffer(1)]], device atomic_uint& n [[buffer(2)]],\n\
                      device const Block* blocks [[buffer(3)]], device Block* copies [[buffer(4)]], constant uint& m [[buffer(5)]],\n\
                      uint t [[thread_index_in_threadgroup]]) {\n\
          threadgroup float tile[32];\n\
          float local[4] = {0, 1, 2, 3};\n\
          tile[t] = a[t].y + local[t % 4];\n\
          threadgroup_barrier(mem_flags::mem_threadgroup);\n\
          b[t] += simd_sum(tile[31 - t]);\n\
          if (t == 0) { atomic_fetch_add_explicit(&n, m, memory_order_relaxed); copies[0] = blocks[1]; }\n\
        }";
    let function = function(text, "k", &[]);
    let a = vec![1f32; 128];
    let mut log = Log::default();
    let grid = Grid {
        groups: [1, 1, 1],
        threads_per_group: [32, 1, 1],
        threads: None,
    };
    let blocks: Vec<u8> = (0..128).collect();
    let call = Call::of(&function)
        .buffer(0, &a)
        .buffer(1, &[1f32; 32])
        .buffer(2, &[5u32])
        .buffer(3, &blocks)
        .buffer(4, &[0u8; 64])
        .buffer(5, &[3u32]);
    let places = call.places();
    let done = call.run_grid(&grid, Some(&mut log)).unwrap();
    assert_eq!(done.get::<f32>(1), [1.0 + 32.0 + 48.0; 32]);
    assert_eq!(done.get::<u32>(2), [8]);
    assert_eq!(done.get::<u8>(4), blocks[64..]);

    // Which bytes of each buffer were read and written, and whether atomically.
    let covered = |buffer: usize, write: bool, atomic: bool| {
        let (start, length) = places[buffer];
        let mut bytes = vec![false; length];
        for &(address, len, w, a) in &log.0 {
            if w == write && a == atomic && address >= start && address < start + length {
                bytes[address - start..][..len].fill(true);
            }
        }
        bytes.iter().filter(|b| **b).count()
    };
    assert!(covered(0, false, false) >= 128);
    assert_eq!(covered(0, true, false), 0);
    assert_eq!(
        (covered(1, false, false), covered(1, true, false)),
        (128, 128)
    );
    assert_eq!((covered(2, true, true), covered(2, true, false)), (4, 0));
    assert_eq!(
        (covered(3, false, false), covered(4, true, false)),
        (64, 64)
    );
    assert_eq!(covered(5, false, false), 4);
    let known = |address: usize| {
        places
            .iter()
            .any(|&(start, length)| (start..start + length).contains(&address))
    };
    let strange = log.0.iter().find(|(address, ..)| !known(*address));
    assert_eq!(strange, None, "an access to memory that is no buffer");
}

#[test]
fn a_race_in_generated_code_shows() {
    let kernel = only(
        "@group(0) @binding(0) var<storage, read_write> x: array<u32, 64>;
        var<workgroup> tile: array<u32, 64>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) t: u32) { tile[t] = t; x[t] = tile[(t + 1u) % 64u]; }",
    );
    let done = Call::of(&kernel).buffer(0, &[0u32; 64]).run(1, 64).unwrap();
    assert_ne!(
        done.get::<u32>(0),
        (0..64).map(|t| (t + 1) % 64).collect::<Vec<u32>>()
    );
}
