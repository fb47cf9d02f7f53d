//! groups = [1, 1, 1]
//! inline = "03000000"
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

var<immediate> columns: u32;

@compute @workgroup_size(16)
fn column(@builtin(local_invocation_index) lane: u32) {
    values[lane] = values[lane] % columns;
}
