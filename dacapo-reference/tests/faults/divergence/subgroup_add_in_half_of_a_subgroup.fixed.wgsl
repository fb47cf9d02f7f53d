//! groups = [2, 1, 1]
//! subgroup = 32
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }, { slot = 1, bytes = 8 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(32)
fn sum_of_half(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    var sum = 0u;
    sum = subgroupAdd(select(0u, input[id.x], lane < 16u));
    if lane == 0u {
        output[group.x] = sum;
    }
}
