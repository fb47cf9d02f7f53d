//! buffers = [{ bytes = 512 }]
//! [[dispatch]]
//! entry = "fill"
//! groups = [5, 1, 1]
//! bind = [{ slot = 0, buffer = 0, offset = 0, bytes = 320 }]
//! [[dispatch]]
//! entry = "fill"
//! groups = [4, 1, 1]
//! barrier = false
//! bind = [{ slot = 0, buffer = 0, offset = 320, bytes = 192 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(16)
fn fill(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&values) {
        values[id.x] = id.x;
    }
}
