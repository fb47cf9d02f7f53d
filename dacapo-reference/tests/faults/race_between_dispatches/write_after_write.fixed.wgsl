//! buffers = [{ bytes = 256 }]
//! [[dispatch]]
//! entry = "clear"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }]
//! [[dispatch]]
//! entry = "mark_multiples"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }]

@group(0) @binding(0) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn clear(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = 0u;
}

@compute @workgroup_size(16)
fn mark_multiples(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x * 4u] = 1u;
}
