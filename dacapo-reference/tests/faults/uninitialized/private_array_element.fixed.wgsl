//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 512, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn sum_of_four(@builtin(global_invocation_id) id: vec3<u32>) {
    var window: array<u32, 4>;
    for (var at = 0u; at < 4u; at++) {
        window[at] = input[id.x * 4u + at];
    }
    var sum = 0u;
    for (var at = 0u; at < 4u; at++) {
        sum += window[at];
    }
    output[id.x] = sum;
}
