//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [1.5, -3.25, 3e9, 70.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<i32>;

@compute @workgroup_size(4)
fn truncate(@builtin(local_invocation_index) lane: u32) {
    output[lane] = i32(input[lane]); //~ arithmetic
}
