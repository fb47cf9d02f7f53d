//! groups = [1, 1, 1]
//! subgroup = 32
//! buffers = [{ slot = 0, bytes = 256, fill = "f32:0.5" }, { slot = 1, bytes = 256, fill = "f32:1" }]

enable wgpu_cooperative_matrix;

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(32)
fn add() {
    let a = coopLoad<coop_mat8x8<f32, C>>(&input[0], 8u);
    let b = coopLoad<coop_mat8x8<f32, C>>(&output[0], 8u);
    let sum = a + b;
    coopStore(sum, &output[0], 8u);
}
