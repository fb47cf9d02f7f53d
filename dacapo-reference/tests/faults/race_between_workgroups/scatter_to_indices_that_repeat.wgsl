//! groups = [8, 1, 1]
//! buffers = [{ slot = 0, values = [3, 1, 2, 0, 7, 1, 5, 6] }, { slot = 1, bytes = 32, fill = "zero" }]

@group(0) @binding(0) var<storage, read> indices: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(1)
fn scatter(@builtin(global_invocation_id) id: vec3<u32>) {
    output[indices[id.x]] = id.x; //~ race_between_workgroups
}
