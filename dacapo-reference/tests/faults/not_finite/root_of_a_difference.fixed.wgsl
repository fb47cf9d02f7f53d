//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [3.0, 5.0, 4.0, 4.5] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(4)
fn deviations(@builtin(local_invocation_index) lane: u32) {
    let mean = 4.0;
    let variance = (input[lane] - mean) * (input[lane] - mean);
    output[lane] = sqrt(variance);
}
