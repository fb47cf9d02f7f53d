//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 512, fill = "iota" }, { slot = 1, bytes = 8 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> parts: array<u32, 64>;

@compute @workgroup_size(64)
fn sum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    parts[lane] = input[id.x];
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride /= 2u) {
        if lane < stride {
            parts[lane] += parts[lane + stride];
            workgroupBarrier(); //~ divergence
        }
    }
    if lane == 0u {
        output[group.x] = parts[0];
    }
}
