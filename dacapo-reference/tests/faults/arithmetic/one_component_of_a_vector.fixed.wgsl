//! groups = [1, 1, 1]
//! buffers = [
//!  { slot = 0, values = [4, 3, 2, 1, 1, 5, 1, 1] },
//!   { slot = 1, bytes = 32 },
//! ]

@group(0) @binding(0) var<storage, read> divisors: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<i32>>;

@compute @workgroup_size(2)
fn divide(@builtin(local_invocation_index) lane: u32) {
    output[lane] = vec4(64i, 27i, 8i, 1i) / divisors[lane];
}
