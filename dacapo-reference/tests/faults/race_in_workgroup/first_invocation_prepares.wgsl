//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "random_f32" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

var<workgroup> scale: f32;

@compute @workgroup_size(32)
fn scale_rows(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane == 0u {
        scale = input[id.x] + 2.0; //~ other
    }
    output[id.x] = input[id.x] * scale; //~ race_in_workgroup
}
