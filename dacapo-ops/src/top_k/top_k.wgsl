struct Params {
    width: u32,
    k: u32,
}
var<immediate> p: Params;

@group(0) @binding(1) var<storage, read_write> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;

const NEGATIVE_INFINITY_BITS: u32 = 0xff800000u;
const counting: bool = true;

fn rank_of(bits: u32) -> u32 {
    return ordered(bits);
}

fn amount_of(rank: u32) -> vec2<u32> {
    return vec2<u32>(1u, 0u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let thread = Thread(index, subgroup, lane);
    for (var row = group.x; row < arrayLength(&ids) / p.k; row += groups.x) {
        cut_rank = 1u;
        cut_last = NONE;
        select_first(thread, row, vec2<u32>(p.k, 0u), false);
        if p.k <= 1024u {
            let count = gather_sorted(thread, row);
            for (var i = index; i < p.k; i += WORKGROUP) {
                var id = NONE;
                var bits = NEGATIVE_INFINITY_BITS;
                if i < count {
                    id = atomicLoad(&bins[1024u + i]);
                    bits = load(row, id);
                }
                ids[row * p.k + i] = id;
                values[row * p.k + i] = bits;
            }
            workgroupBarrier();
        } else {
            sort_in_place(thread, row);
        }
    }
}

/// Gathers the ids of what is kept where they belong and sorts them there: a bitonic network whose comparisons
/// all point the same way, so that what would lie beyond the end needs no element.
fn sort_in_place(thread: Thread, row: u32) {
    if thread.index == 0u {
        atomicStore(&gathered, 0u);
    }
    workgroupBarrier();
    let first = row * p.k;
    for (var at = thread.index; at < p.width; at += WORKGROUP) {
        if keeps(ordered(load(row, at)), at) {
            ids[first + atomicAdd(&gathered, 1u)] = at;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&gathered);
    for (var i = count + thread.index; i < p.k; i += WORKGROUP) {
        ids[first + i] = NONE;
        values[first + i] = NEGATIVE_INFINITY_BITS;
    }
    storageBarrier();
    for (var size = 2u; size < 2u * count; size <<= 1u) {
        for (var step = size >> 1u; step > 0u; step >>= 1u) {
            for (var pair = thread.index; pair < (count + 1u) / 2u + step; pair += WORKGROUP) {
                let low = (pair / step) * 2u * step + pair % step;
                // The first step of each size turns the second half around.
                let high = select(low + step, (low | (size - 1u)) - (low & (size - 1u)), step == size >> 1u);
                if high < count {
                    order(row, first + low, first + high);
                }
            }
            storageBarrier();
        }
    }
    for (var i = thread.index; i < count; i += WORKGROUP) {
        values[first + i] = load(row, ids[first + i]);
    }
}

/// Swaps two ids that are in the wrong order.
fn order(row: u32, low: u32, high: u32) {
    let a = ids[low];
    let b = ids[high];
    let left = ordered(load(row, a));
    let right = ordered(load(row, b));
    if right > left || (right == left && b < a) {
        ids[low] = b;
        ids[high] = a;
    }
}
