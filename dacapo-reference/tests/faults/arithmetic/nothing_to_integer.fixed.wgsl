//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [0.0, 1.0, 2.0, 4.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<i32>;

@compute @workgroup_size(4)
fn rounded_ratio(@builtin(local_invocation_index) lane: u32) {
    let x = input[lane];
    let ratio = x * 3.0 / x;
    output[lane] = i32(select(ratio, 0.0, x == 0.0));
}
