//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota_f32" }, { slot = 1, bytes = 48 }, { slot = 2, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> matrix: mat3x3<f32>;
@group(0) @binding(2) var<storage, read_write> output: vec3<f32>;

@compute @workgroup_size(1)
fn fill_and_multiply() {
    for (var column = 0u; column < 2u; column++) {
        matrix[column] = vec3(input[column], input[column + 1u], input[column + 2u]);
    }
    output = matrix * vec3(1.0, 2.0, 3.0); //~ uninitialized
}
