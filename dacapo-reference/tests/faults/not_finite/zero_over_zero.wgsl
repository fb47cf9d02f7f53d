//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [1.0, 2.0, 0.0, 4.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(4)
fn shares(@builtin(local_invocation_index) lane: u32) {
    let x = input[lane];
    let ratio = x / (x * 2.0); //~ not_finite
    output[lane] = ratio + 1.0;
}
