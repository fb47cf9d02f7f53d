//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 32, fill = "iota" }, { slot = 1, bytes = 32 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

const LEVELS = array<u32, 7>(0u, 1u, 2u, 4u, 8u, 16u, 32u);

@compute @workgroup_size(4)
fn look_up(@builtin(global_invocation_id) id: vec3<u32>) {
    let level = min(input[id.x], 6u);
    output[id.x] = LEVELS[level];
}
