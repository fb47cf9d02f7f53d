//! buffers = [{ bytes = 256, fill = "random" }, { bytes = 16, fill = "zero" }]
//! [[dispatch]]
//! entry = "histogram"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>>;

@compute @workgroup_size(16)
fn histogram(@builtin(global_invocation_id) id: vec3<u32>) {
    atomicAdd(&bins[input[id.x] & 3u], 1u);
}
