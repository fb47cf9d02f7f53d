//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(32)
fn rotate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    values[id.x] = values[id.x] * 3u;
    storageBarrier();
    output[id.x] = values[group.x * 32u + (lane + 1u) % 32u];
}
