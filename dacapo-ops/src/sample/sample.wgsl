struct Params {
    width: u32,
    /// 0 for all.
    top_k: u32,
    /// As a share of 2^64; all bits for everything.
    top_p_low: u32,
    top_p_high: u32,
    min_p: f32,
    /// 1 / temperature in two parts.
    sharpness: f32,
    sharpness_rest: f32,
    seed_low: u32,
    seed_high: u32,
}
var<immediate> p: Params;

@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;

/// Up to this `top_k` the kept logits are gathered in order; beyond, all are weighed. As on the CPU.
const GATHERED: u32 = 1024u;

/// Whether ranks are those of weights, else of logits.
var<private> by_weight: bool;
var<private> counting: bool;
/// The greatest logit, ordered.
var<private> greatest: u32;

/// e^((x - greatest) / temperature) for an ordered logit; infinite ones count as equal.
fn weight(key: u32) -> f32 {
    if key == greatest {
        return 1.0;
    }
    if key <= NEGATIVE_INFINITY || greatest == POSITIVE_INFINITY {
        return 0.0;
    }
    let less = max(float(key) - float(greatest), -3.0e38);
    return min(exp_exactly(fma(less, p.sharpness, less * p.sharpness_rest)), 1.0);
}

fn rank_of(bits: u32) -> u32 {
    let key = ordered(bits);
    if by_weight {
        return bitcast<u32>(weight(key));
    }
    return key;
}

fn amount_of(rank: u32) -> vec2<u32> {
    if counting {
        return vec2<u32>(1u, 0u);
    }
    return fixed(rank);
}

/// A number in 0..=1, given as its bits, in units of 2^-40: sums of those do not depend on their order.
fn fixed(bits: u32) -> vec2<u32> {
    let exponent = bits >> 23u;
    let digits = (bits & 0x7fffffu) | 0x800000u;
    if exponent > 110u {
        let shift = exponent - 110u;
        return vec2<u32>(digits << shift, digits >> (32u - shift));
    }
    let shift = 110u - exponent;
    if shift == 0u {
        return vec2<u32>(digits, 0u);
    }
    if shift > 24u {
        return vec2<u32>(0u);
    }
    return vec2<u32>((digits + (1u << (shift - 1u))) >> shift, 0u);
}

/// 53 random bits as a share of 2^64: Philox4x32-10 with the seed as key and the position as counter.
fn random(position: u32) -> vec2<u32> {
    var counter = vec4<u32>(position, 0u, 0u, 0u);
    var key = vec2<u32>(p.seed_low, p.seed_high);
    for (var round = 0u; round < 10u; round++) {
        let a = wide_product(counter.x, 0xd2511f53u);
        let b = wide_product(counter.z, 0xcd9e8d57u);
        counter = vec4<u32>(b.y ^ counter.y ^ key.x, b.x, a.y ^ counter.w ^ key.y, a.x);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return vec2<u32>(counter.y & 0xfffff800u, counter.x);
}

fn keeps_all() -> bool {
    return (p.top_p_low & p.top_p_high) == 0xffffffffu;
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
    let gathers = p.top_k > 0u && min(p.top_k, p.width) <= GATHERED;
    for (var row = group.x; row < arrayLength(&ids); row += groups.x) {
        cut_rank = 1u;
        cut_last = NONE;
        let share = random(positions[row]);
        var id = NONE;
        if gathers {
            id = from_gathered(thread, row, share);
        } else {
            id = from_all(thread, row, share);
        }
        if index == 0u {
            ids[row] = id;
        }
    }
}

/// From all logits, in the order of their indices.
fn from_all(thread: Thread, row: u32, share: vec2<u32>) -> u32 {
    let quads = (p.width + 3u) >> 2u;
    var best = 0u;
    var at = NONE;
    for (var quad = thread.index; quad < quads; quad += WORKGROUP) {
        let bits = load_quad(row, quad);
        for (var i = 0u; i < 4u; i++) {
            let key = ordered(bits[i]);
            if key > best {
                best = key;
                at = 4u * quad + i;
            }
        }
    }
    greatest = workgroup_max(thread, best);
    let first = workgroup_min(thread, select(NONE, at, best == greatest));
    if greatest <= NEGATIVE_INFINITY {
        return first;
    }
    by_weight = true;
    if p.top_k > 0u && p.top_k < p.width {
        counting = true;
        select_first(thread, row, vec2<u32>(p.top_k, 0u), false);
    }
    counting = false;
    if !keeps_all() {
        select_first(thread, row, vec2<u32>(p.top_p_low, p.top_p_high), true);
    }
    let least = bitcast<u32>(p.min_p);
    if least > cut_rank {
        cut_rank = least;
        cut_last = NONE;
    }
    return find_index(thread, row, 0u, share, true);
}

var<workgroup> nucleus: atomic<u32>;
var<workgroup> kept: atomic<u32>;
var<workgroup> drawn: atomic<u32>;
var<workgroup> kept_amount: vec2<u32>;

/// From the `top_k` greatest logits, in order.
fn from_gathered(thread: Thread, row: u32, share: vec2<u32>) -> u32 {
    by_weight = false;
    counting = true;
    select_first(thread, row, vec2<u32>(p.top_k, 0u), false);
    let count = gather_sorted(thread, row);
    if count == 0u {
        return NONE;
    }
    greatest = atomicLoad(&bins[0]);
    if greatest <= NEGATIVE_INFINITY {
        return atomicLoad(&bins[1024]);
    }
    if thread.index == 0u {
        atomicStore(&nucleus, count);
        atomicStore(&kept, 0u);
        atomicStore(&drawn, NONE);
    }
    let each = 1024u / WORKGROUP;
    let first = min(thread.index * each, count);
    let stop = min(first + each, count);
    var sum = vec2<u32>(0u);
    for (var i = first; i < stop; i++) {
        sum = add64(sum, fixed(bitcast<u32>(weight(atomicLoad(&bins[i])))));
    }
    let scan = workgroup_scan(thread, sum);
    if !keeps_all() {
        let amount = share_of(vec2<u32>(p.top_p_low, p.top_p_high), scan.all);
        var before = scan.before;
        for (var i = first; i < stop; i++) {
            before = add64(before, fixed(bitcast<u32>(weight(atomicLoad(&bins[i])))));
            if !less64(before, amount) {
                atomicMin(&nucleus, i + 1u);
            }
        }
    }
    workgroupBarrier();
    let likely = atomicLoad(&nucleus);
    for (var i = first; i < min(stop, likely); i++) {
        if weight(atomicLoad(&bins[i])) >= p.min_p {
            atomicAdd(&kept, 1u);
        }
    }
    workgroupBarrier();
    let all_kept = atomicLoad(&kept);
    var before = scan.before;
    for (var i = first; i < min(stop, all_kept); i++) {
        before = add64(before, fixed(bitcast<u32>(weight(atomicLoad(&bins[i])))));
        if i + 1u == all_kept {
            kept_amount = before;
        }
    }
    workgroupBarrier();
    let bar = upper_product(kept_amount, share).xy;
    before = scan.before;
    for (var i = first; i < min(stop, all_kept); i++) {
        before = add64(before, fixed(bitcast<u32>(weight(atomicLoad(&bins[i])))));
        if less64(bar, before) {
            atomicMin(&drawn, i);
        }
    }
    workgroupBarrier();
    let id = atomicLoad(&bins[1024u + atomicLoad(&drawn)]);
    // The next row uses the same memory.
    workgroupBarrier();
    return id;
}
