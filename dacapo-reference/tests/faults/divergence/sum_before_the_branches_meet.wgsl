//! groups = [1, 1, 1]
//! subgroup = 16
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn weigh(@builtin(local_invocation_index) lane: u32) {
    var weight = 0u;
    var sum = 0u;
    for (var round = 0u; round < 4u; round++) {
        if input[lane] % 4u == round {
            weight = round;
            sum = subgroupAdd(weight); //~ divergence
            break;
        }
    }
    output[lane] = sum;
}
