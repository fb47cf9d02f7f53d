//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(1)
fn blur(@builtin(workgroup_id) group: vec3<u32>) {
    let right = values[group.x + 1u]; //~ other
    values[group.x] = values[group.x] + right; //~ race_between_workgroups
}
