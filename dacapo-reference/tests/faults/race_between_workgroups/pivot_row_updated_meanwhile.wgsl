//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> matrix: array<array<u32, 4>, 4>;

@compute @workgroup_size(4)
fn subtract_first_row(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) column: u32,
) {
    let pivot = matrix[0][column]; //~ other
    matrix[group.x][column] -= pivot; //~ race_between_workgroups
}
