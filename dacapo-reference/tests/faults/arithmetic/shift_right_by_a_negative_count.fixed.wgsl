//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [4, 2, 1, 0] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> levels: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn parents(@builtin(local_invocation_index) lane: u32) {
    output[lane] = 255u >> (max(levels[lane], 1u) - 1u);
}
