//! groups = [8, 1, 1]
//! buffers = [{ slot = 0, bytes = 32, fill = "iota" }, { slot = 1, bytes = 16, fill = "zero" }]

enable f16;

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<f16>;

@compute @workgroup_size(1)
fn narrow(@builtin(workgroup_id) group: vec3<u32>) {
    output[group.x] = f16(input[group.x]);
}
