//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(32)
fn increment_small(@builtin(local_invocation_index) lane: u32) {
    if values[lane] < 16u {
        values[lane] += 1u;
    }
    storageBarrier();
    output[lane] = values[lane];
}
