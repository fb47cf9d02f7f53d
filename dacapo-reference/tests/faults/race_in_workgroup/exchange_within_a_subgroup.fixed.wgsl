//! groups = [2, 1, 1]
//! subgroup = 16
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 32>;

@compute @workgroup_size(32)
fn swap_pairs(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    tile[lane] = input[id.x];
    subgroupBarrier();
    output[id.x] = tile[lane ^ 8u];
}
