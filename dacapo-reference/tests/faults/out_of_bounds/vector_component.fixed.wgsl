//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn largest(@builtin(local_invocation_index) lane: u32) {
    var values = input[lane];
    var largest = values.x;
    for (var at = 1u; at < 4u; at++) {
        largest = max(largest, values[at]);
    }
    output[lane] = largest;
}
