//! groups = [1, 1, 1]
//! finite = true
//! buffers = [{ slot = 0, values = [3.0, 4.0, 0.0, 0.0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec2<f32>>;

@compute @workgroup_size(2)
fn directions(@builtin(local_invocation_index) lane: u32) {
    let vector = input[lane];
    output[lane] = normalize(select(vector, vec2(1.0, 0.0), length(vector) == 0.0));
}
