//! groups = [2, 2, 1]
//! buffers = [{ slot = 0, bytes = 1024, fill = "random_f32" }, { slot = 1, bytes = 1024 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

const TILE = 8u;
const WIDTH = 16u;

var<workgroup> tile: array<array<f32, TILE>, TILE>;

@compute @workgroup_size(TILE, TILE)
fn transpose(
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let start = group.xy * TILE + local.xy;
    tile[local.y][local.x] = input[start.y * WIDTH + start.x];
    workgroupBarrier();
    let end = group.yx * TILE + local.xy;
    output[end.y * WIDTH + end.x] = tile[local.x][local.y];
}
