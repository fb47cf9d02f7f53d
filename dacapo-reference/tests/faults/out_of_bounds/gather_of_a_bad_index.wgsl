//! groups = [1, 1, 1]
//! buffers = [
//!  { slot = 0, values = [3, 1, 7, 8] },
//!   { slot = 1, bytes = 32, fill = "iota" },
//!   { slot = 2, bytes = 16 },
//! ]

@group(0) @binding(0) var<storage, read> indices: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn gather(@builtin(local_invocation_index) lane: u32) {
    output[lane] = table[indices[lane]]; //~ out_of_bounds
}
