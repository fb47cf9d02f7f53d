//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "iota_f32" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

const TILE = 8u;
const PITCH = 9u;

var<workgroup> tile: array<f32, TILE * PITCH>;

@compute @workgroup_size(TILE, TILE)
fn transpose(@builtin(local_invocation_id) local: vec3<u32>) {
    tile[local.y * PITCH + local.x] = input[local.y * TILE + local.x];
    workgroupBarrier();
    output[local.y * TILE + local.x] = tile[local.x * PITCH + local.y];
}
