//! buffers = [{ bytes = 256, fill = "iota" }, { bytes = 256, fill = "zero" }]
//! [[dispatch]]
//! entry = "accumulate"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1, access = "read_write" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(16)
fn accumulate(@builtin(global_invocation_id) id: vec3<u32>) {
    sums[id.x] += input[id.x];
}
