//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [10.0, 20.0, 100.0, 4.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(1)
fn softmax() {
    var largest = 0.0;
    for (var at = 0u; at < 4u; at++) {
        largest = max(largest, input[at]);
    }
    var sum = 0.0;
    for (var at = 0u; at < 4u; at++) {
        let power = exp(input[at] - largest);
        output[at] = power;
        sum += power;
    }
    for (var at = 0u; at < 4u; at++) {
        output[at] /= sum;
    }
}
