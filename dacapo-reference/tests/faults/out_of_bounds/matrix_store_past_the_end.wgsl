//! groups = [1, 1, 1]
//! subgroup = 32
//! buffers = [{ slot = 0, bytes = 256, fill = "f32:1" }, { slot = 1, bytes = 224 }]

enable wgpu_cooperative_matrix;

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(32)
fn copy() {
    let a = coopLoad<coop_mat8x8<f32, C>>(&input[0], 8u);
    coopStore(a, &output[4], 8u); //~ out_of_bounds
}
