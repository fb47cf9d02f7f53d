//! groups = [1, 1, 1]
//! buffers = [
//!  { slot = 0, values = [1, 2, 0, 4] },
//!   { slot = 1, bytes = 16 },
//! ]

@group(0) @binding(0) var<storage, read> divisors: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn divide(@builtin(local_invocation_index) lane: u32) {
    output[lane] = 100u / divisors[lane]; //~ arithmetic
}
