//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 1024, fill = "iota" }, { slot = 1, bytes = 1024 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 64>;

@compute @workgroup_size(64)
fn reverse(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    workgroupBarrier();
    tile[lane] = input[id.x]; //~ other
    output[id.x] = tile[63u - lane]; //~ race_in_workgroup
}
