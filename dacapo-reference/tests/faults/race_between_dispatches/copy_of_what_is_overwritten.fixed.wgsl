//! buffers = [{ bytes = 256, fill = "iota" }, { bytes = 256 }]
//! [[dispatch]]
//! copy = { from = { buffer = 0 }, to = { buffer = 1 } }
//! [[dispatch]]
//! entry = "clear"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(16)
fn clear(@builtin(global_invocation_id) id: vec3<u32>) {
    values[id.x] = 0u;
}
