//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [0.5, 3.0, -1.5, 255.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn to_bytes(@builtin(local_invocation_index) lane: u32) {
    output[lane] = u32(max(input[lane], 0.0) + 0.25);
}
