//! groups = [4, 4, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read_write> matrix: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(1)
fn transpose(@builtin(workgroup_id) at: vec3<u32>) {
    output[at.y * 4u + at.x] = matrix[at.x * 4u + at.y];
}
