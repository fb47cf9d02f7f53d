//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 16>;

@compute @workgroup_size(16)
fn differences(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    tile[lane] = input[id.x];
    workgroupBarrier();
    output[id.x] = tile[lane + 1u] - tile[lane]; //~ out_of_bounds
}
