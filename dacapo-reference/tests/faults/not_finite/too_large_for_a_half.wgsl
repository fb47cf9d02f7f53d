//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [10.0, 70000.0] }, { slot = 1, bytes = 4 }]

enable f16;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f16>;

@compute @workgroup_size(2)
fn narrow(@builtin(local_invocation_index) lane: u32) {
    output[lane] = f16(input[lane]); //~ not_finite
}
