//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

const WIDTH = 4u;

@compute @workgroup_size(4)
fn copy_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = group.x * (WIDTH - 1u) + lane;
    output[at] = input[at]; //~ race_between_workgroups
}
