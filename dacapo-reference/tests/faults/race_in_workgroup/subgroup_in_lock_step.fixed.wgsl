//! groups = [1, 1, 1]
//! subgroup = 32
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 32>;

@compute @workgroup_size(32)
fn swap_pairs(@builtin(local_invocation_index) lane: u32) {
    tile[lane] = input[lane];
    workgroupBarrier();
    output[lane] = tile[lane ^ 1u];
}
