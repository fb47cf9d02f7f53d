//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

const LENGTH = 64u;

@compute @workgroup_size(16)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < LENGTH / 4u {
        output[id.x] = input[id.x];
    }
}
