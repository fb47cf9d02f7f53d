//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 400, fill = "iota" }, { slot = 1, bytes = 8 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 64>;

@compute @workgroup_size(64)
fn sum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    if id.x < arrayLength(&input) {
        tile[lane] = input[id.x];
    }
    workgroupBarrier();
    if lane == 0u {
        var sum = 0u;
        for (var at = 0u; at < 64u; at++) {
            sum += tile[at]; //~ uninitialized
        }
        output[group.x] = sum;
    }
}
