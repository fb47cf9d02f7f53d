//! buffers = [{ bytes = 256, fill = "iota" }]
//! [[dispatch]]
//! entry = "triple"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }]
//! [[dispatch]]
//! entry = "triple"
//! groups = [4, 1, 1]
//! barrier = false
//! bind = [{ slot = 0, buffer = 0 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(16)
fn triple(@builtin(global_invocation_id) id: vec3<u32>) {
    values[id.x] *= 3u; //~ race_between_dispatches
}
