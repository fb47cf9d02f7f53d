//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 48, fill = "iota_f32" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> matrix: mat3x4<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(3)
fn columns(@builtin(local_invocation_index) column: u32) {
    output[column] = matrix[column] * 2.0;
}
