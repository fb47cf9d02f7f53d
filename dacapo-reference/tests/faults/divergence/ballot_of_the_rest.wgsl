//! groups = [1, 1, 1]
//! subgroup = 32
//! buffers = [{ slot = 0, bytes = 128, fill = "random" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(32)
fn compact(@builtin(local_invocation_index) lane: u32) {
    let large = (lane & 7u) > 2u;
    var position = 32u;
    if large {
        let chosen = subgroupBallot(true).x; //~ divergence
        position = countOneBits(chosen & ((1u << lane) - 1u));
    }
    output[lane] = position + (input[lane] & 1u);
}
