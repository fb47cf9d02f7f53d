//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 400, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn double(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arrayLength(&values) {
        return;
    }
    values[id.x] *= 2u;
}
