//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 160, fill = "iota" }, { slot = 1, bytes = 160, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 10>;

@compute @workgroup_size(10)
fn smooth_out(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = group.x * 8u + lane;
    tile[lane] = input[at];
    workgroupBarrier();
    let left = tile[max(lane, 1u) - 1u];
    let right = tile[min(lane + 1u, 9u)];
    output[at] = left + tile[lane] + right; //~ race_between_workgroups
}
