//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota_f32" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec2<f32>>;

@compute @workgroup_size(16)
fn rotate(@builtin(global_invocation_id) id: vec3<u32>) {
    var turn: mat2x2<f32>;
    turn[0] = vec2(0.0, 1.0);
    output[id.x] = turn * input[id.x]; //~ uninitialized
}
