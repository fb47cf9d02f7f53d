//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 260, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn differences(@builtin(local_invocation_index) lane: u32) {
    values[lane] = values[lane + 1u] - values[lane]; //~ race_in_workgroup
}
