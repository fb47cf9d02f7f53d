//! buffers = [{ bytes = 64, fill = "unwritten" }, { bytes = 64 }, { bytes = 64 }]
//! [[dispatch]]
//! copy = { from = { buffer = 0 }, to = { buffer = 1 } }
//! [[dispatch]]
//! entry = "double"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 1 }, { slot = 1, buffer = 2 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn double(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = 2u * input[id.x]; //~ uninitialized
}
