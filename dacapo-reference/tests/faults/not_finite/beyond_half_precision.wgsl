//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [10.0, 100.0, 300.0, 50.0] }, { slot = 1, bytes = 8 }]

enable f16;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f16>;

@compute @workgroup_size(4)
fn squares(@builtin(local_invocation_index) lane: u32) {
    let x = f16(input[lane]);
    output[lane] = x * x; //~ not_finite
}
