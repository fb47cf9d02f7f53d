//! buffers = [{ bytes = 256, fill = "random" }, { bytes = 4, fill = "zero" }, { bytes = 4 }]
//! [[dispatch]]
//! entry = "count"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "take"
//! groups = [1, 1, 1]
//! bind = [{ slot = 1, buffer = 1 }, { slot = 2, buffer = 2 }]
//! [[dispatch]]
//! entry = "reset"
//! groups = [1, 1, 1]
//! bind = [{ slot = 3, buffer = 1 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> counter: atomic<u32>;
@group(0) @binding(2) var<storage, read_write> output: u32;
@group(0) @binding(3) var<storage, read_write> plain: u32;

@compute @workgroup_size(16)
fn count(@builtin(global_invocation_id) id: vec3<u32>) {
    atomicAdd(&counter, input[id.x] & 1u);
}

@compute @workgroup_size(1)
fn take() {
    output = atomicLoad(&counter);
}

@compute @workgroup_size(1)
fn reset() {
    plain = 0u;
}
