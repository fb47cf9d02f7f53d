//! groups = [1, 1, 1]
//! buffers = [
//!   { slot = 0, values = [3, 3, 1, 3] },
//!   { slot = 1, bytes = 16 },
//! ]

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> rounds: atomic<u32>;

@compute @workgroup_size(4)
fn count_rounds(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        atomicStore(&rounds, 0u);
    }
    workgroupBarrier();
    for (var round = 0u; round < counts[lane]; round++) {
        atomicAdd(&rounds, 1u);
        workgroupBarrier(); //~ divergence
    }
    output[lane] = atomicLoad(&rounds);
}
