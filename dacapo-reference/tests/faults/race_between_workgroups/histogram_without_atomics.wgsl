//! groups = [8, 1, 1]
//! buffers = [{ slot = 0, bytes = 32, fill = "iota" }, { slot = 1, bytes = 16, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> bins: array<u32>;

@compute @workgroup_size(1)
fn histogram(@builtin(global_invocation_id) id: vec3<u32>) {
    bins[input[id.x] & 3u] += 1u; //~ race_between_workgroups
}
