//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, bytes = 64, fill = "f32:3e37" }, { slot = 1, bytes = 4 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: f32;

@compute @workgroup_size(1)
fn mean() {
    var sum = 0.0;
    for (var at = 0u; at < 16u; at++) {
        sum += input[at] / 16.0;
    }
    output = sum;
}
