//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 400, fill = "iota" }, { slot = 1, bytes = 400 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 64>;

@compute @workgroup_size(64)
fn shift(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let length = arrayLength(&input);
    tile[lane] = 0u;
    if id.x < length {
        tile[lane] = input[id.x];
    }
    workgroupBarrier();
    if id.x < length && lane > 0u {
        output[id.x] = tile[lane - 1u];
    }
}
