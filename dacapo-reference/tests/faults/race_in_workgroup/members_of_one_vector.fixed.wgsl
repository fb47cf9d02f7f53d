//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(16)
fn scatter(@builtin(local_invocation_index) lane: u32) {
    output[lane / 4u][lane % 4u] = input[lane];
}
