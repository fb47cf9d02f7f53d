//! buffers = [{ bytes = 256, fill = "iota" }]
//! [[dispatch]]
//! entry = "clamp_all"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(16)
fn clamp_all(@builtin(global_invocation_id) id: vec3<u32>) {
    if values[id.x] > 40u {
        values[id.x] = 40u;
    }
}
