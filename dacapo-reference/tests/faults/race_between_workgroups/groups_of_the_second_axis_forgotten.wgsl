//! groups = [2, 2, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }, { slot = 1, bytes = 256, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = group.x * 16u + lane;
    output[at] = input[at]; //~ race_between_workgroups
}
