//! groups = [2, 1, 1]
//! buffers = [
//!  { slot = 0, bytes = 128, fill = "iota", written = 100 },
//!   { slot = 1, bytes = 128 },
//! ]

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(4)
fn double(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = input[id.x] * 2u; //~ uninitialized
}
