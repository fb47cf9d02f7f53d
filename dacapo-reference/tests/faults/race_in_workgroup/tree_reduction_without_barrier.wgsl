//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 1024, fill = "iota" }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> scratch: array<u32, 64>;

@compute @workgroup_size(64)
fn sum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    scratch[lane] = input[id.x];
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride /= 2u) {
        if lane < stride {
            scratch[lane] += scratch[lane + stride]; //~ race_in_workgroup
        }
    }
    if lane == 0u {
        output[group.x] = scratch[0];
    }
}
