override SUBGROUP_SIZE: u32;
override WORKGROUP: u32;

const NEGATIVE_INFINITY: u32 = 0x007fffffu;
const POSITIVE_INFINITY: u32 = 0xff800000u;
const NAN_BITS: u32 = 0x7fc00000u;

struct Thread {
    /// Within the workgroup.
    index: u32,
    subgroup: u32,
    /// Within the subgroup.
    lane: u32,
}

// A workgroup has at most 32 subgroups.
var<workgroup> parts: array<u32, 32>;

fn workgroup_max(thread: Thread, x: u32) -> u32 {
    // An H200 has run kernels wrongly whose subgroups met here without a barrier of their own.
    subgroupBarrier();
    let part = subgroupMax(x);
    if thread.lane == 0u {
        parts[thread.subgroup] = part;
    }
    workgroupBarrier();
    var all = 0u;
    for (var i = thread.lane; i < WORKGROUP / SUBGROUP_SIZE; i += SUBGROUP_SIZE) {
        all = max(all, parts[i]);
    }
    subgroupBarrier();
    all = subgroupMax(all);
    workgroupBarrier();
    return all;
}

fn workgroup_min(thread: Thread, x: u32) -> u32 {
    return ~workgroup_max(thread, ~x);
}

/// The inverse of `ordered`.
fn float(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, key > 0x7fffffffu));
}
