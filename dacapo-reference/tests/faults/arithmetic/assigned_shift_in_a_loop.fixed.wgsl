//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "random" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(16)
fn fold(@builtin(local_invocation_index) lane: u32) {
    var value = values[lane];
    for (var bits = 1u; bits < 32u; bits *= 2u) {
        value ^= value >> bits;
    }
    values[lane] = value;
}
