//! buffers = [{ bytes = 256, fill = "iota" }, { bytes = 256 }]
//! [[dispatch]]
//! entry = "save"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "clear"
//! groups = [4, 1, 1]
//! bind = [{ slot = 1, buffer = 0 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn save(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = input[id.x];
}

@compute @workgroup_size(16)
fn clear(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = 0u;
}
