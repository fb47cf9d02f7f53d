// How workgroups pass parts to the one that joins them: through `scratch`, which has COUNTERS counters, 0 between dispatches,
// and then the sums of parts. Atomic, since workgroups pass them to each other.

/// Of the results of one pair in scratch: the sums, the greatest score, the sum of weights.
const RECORD: u32 = HEAD_DIM + 2u;
/// The first; as long as a vector, so that what stands behind it in workgroup memory begins at a multiple of 16 bytes.
var<workgroup> is_last: array<u32, 4>;

/// Where the records of a part of a block begin, in scratch.
fn first_record(block: u32, kv_head: u32, split: u32) -> u32 {
    return COUNTERS + (((block * params.kv_heads + kv_head) * params.splits + split) * PAIRS) * RECORD;
}

/// Whether this workgroup is the last of those that share what has this counter; the others' records can be read then.
fn arrives_last(counter: u32, working: u32, thread: u32) -> bool {
    storageBarrier();
    if thread == 0u {
        let before = atomicAdd(&scratch[counter], 1u);
        is_last[0] = u32(before + 1u == working);
        if before + 1u == working {
            atomicStore(&scratch[counter], 0u);
        }
    }
    workgroupBarrier();
    let arrives = workgroupUniformLoad(&is_last[0]) != 0u;
    storageBarrier();
    return arrives;
}

fn scratch_f32(at: u32) -> f32 {
    return bitcast<f32>(atomicLoad(&scratch[at]));
}
