//! groups = [1, 1, 1]
//! subgroup = 16
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn double_small(@builtin(local_invocation_index) lane: u32) {
    var result = input[lane];
    if result < 10u {
        result *= 2u;
    }
    subgroupBarrier();
    output[lane] = result;
}
