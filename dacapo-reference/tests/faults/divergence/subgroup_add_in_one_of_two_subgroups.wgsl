//! groups = [1, 1, 1]
//! subgroup = 64
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }, { slot = 1, bytes = 4 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn sum_of_first_subgroup(@builtin(local_invocation_index) lane: u32) {
    if lane < 32u {
        let sum = subgroupAdd(input[lane]); //~ divergence
        if lane == 0u {
            output[0] = sum;
        }
    }
}
