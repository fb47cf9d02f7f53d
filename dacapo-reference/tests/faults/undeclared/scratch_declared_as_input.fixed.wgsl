//! buffers = [{ bytes = 64, fill = "iota" }, { bytes = 64 }]
//! [[dispatch]]
//! entry = "square_and_double"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0, access = "read_write" }, { slot = 1, buffer = 1, access = "write" }]

struct Row {
    values: array<u32, 16>,
}

@group(0) @binding(0) var<storage, read_write> input: Row;
@group(0) @binding(1) var<storage, read_write> output: Row;

@compute @workgroup_size(16)
fn square_and_double(@builtin(local_invocation_index) lane: u32) {
    let value = input.values[lane];
    input.values[lane] = value * value;
    output.values[lane] = value * 2u;
}
