//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

const ROWS = 4u;
const COLUMNS = 8u;

@compute @workgroup_size(COLUMNS, ROWS)
fn copy(@builtin(local_invocation_id) at: vec3<u32>) {
    output[at.y * COLUMNS + at.x] = input[at.x * ROWS + at.y];
}
