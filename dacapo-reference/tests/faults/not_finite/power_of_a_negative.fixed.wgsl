//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [1.0, 0.5, -0.25, 2.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

fn gamma(x: f32) -> f32 {
    return sign(x) * pow(abs(x), 2.2);
}

@compute @workgroup_size(4)
fn correct(@builtin(local_invocation_index) lane: u32) {
    output[lane] = gamma(input[lane]);
}
