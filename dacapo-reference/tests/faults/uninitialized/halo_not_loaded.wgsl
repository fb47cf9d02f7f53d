//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 264, fill = "iota" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 66>;

@compute @workgroup_size(64)
fn smooth_out(@builtin(local_invocation_index) lane: u32) {
    tile[lane + 1u] = input[lane + 1u];
    if lane == 0u {
        tile[0] = input[0];
    }
    workgroupBarrier();
    let left = tile[lane];
    let right = tile[lane + 2u]; //~ uninitialized
    output[lane] = left + 2u * tile[lane + 1u] + right;
}
