//! buffers = [{ bytes = 512 }, { bytes = 256, fill = "iota" }]
//! [[dispatch]]
//! entry = "copy"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 1 }, { slot = 1, buffer = 0, offset = 0, bytes = 256 }]
//! [[dispatch]]
//! entry = "copy"
//! groups = [4, 1, 1]
//! barrier = false
//! bind = [{ slot = 0, buffer = 1 }, { slot = 1, buffer = 0, offset = 256, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = input[id.x];
}
