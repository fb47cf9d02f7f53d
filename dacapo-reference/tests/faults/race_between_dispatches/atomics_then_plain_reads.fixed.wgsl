//! buffers = [{ bytes = 256, fill = "random" }, { bytes = 16, fill = "zero" }, { bytes = 16 }]
//! [[dispatch]]
//! entry = "count"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "double"
//! groups = [1, 1, 1]
//! bind = [{ slot = 2, buffer = 1 }, { slot = 3, buffer = 2 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn count(@builtin(global_invocation_id) id: vec3<u32>) {
    atomicAdd(&bins[id.x & 3u], input[id.x]);
}

@compute @workgroup_size(4)
fn double(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = counts[id.x] * 2u;
}
