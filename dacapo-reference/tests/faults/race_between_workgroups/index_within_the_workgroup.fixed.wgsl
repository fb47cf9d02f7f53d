//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 1024, fill = "iota" }, { slot = 1, bytes = 1024 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn double(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    output[id.x] = input[id.x] * 2u;
}
