// The step as a kernel of its own: the parts of a set of queries are joined by whichever of their workgroups ends last.

var<immediate> params: StepParams;

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read> k: array<f32>;
@group(0) @binding(7) var<storage, read> v: array<f32>;

/// Of parts, when they are joined.
var<workgroup> shares: array<f32, PAIRS * MAX_SPLITS>;

fn put_part(query_set: u32, pair: u32, part: Part, d: u32, sum: f32, total: f32) {
    if part.working == 1u {
        out[(query_set * PAIRS + pair) * HEAD_DIM + d] = divided(sum, total);
        return;
    }
    let at = first_record(0u, query_set, part.split) + pair * RECORD;
    atomicStore(&scratch[at + d], bitcast<u32>(sum));
    if d == 0u {
        atomicStore(&scratch[at + HEAD_DIM], bitcast<u32>(greatest_of(pair)));
        atomicStore(&scratch[at + HEAD_DIM + 1u], bitcast<u32>(total));
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let working = attend(group.x, group.y, subgroup, lane);
    let thread = subgroup * SUBGROUP_SIZE + lane;
    if working > 1u && arrives_last(group.y, working, thread) {
        join_parts(group.y, working, thread, subgroup, lane);
    }
}

/// Weighs the parts of a set of queries and adds them up. Lanes and threads load side by side: each load takes long.
fn join_parts(query_set: u32, working: u32, thread: u32, subgroup: u32, lane: u32) {
    let first = first_record(0u, query_set, 0u);
    for (var pair = subgroup; pair < PAIRS; pair += SUBGROUPS) {
        var greatest = LOWEST;
        for (var s = lane; s < working; s += SUBGROUP_SIZE) {
            greatest = max(greatest, scratch_f32(first + (s * PAIRS + pair) * RECORD + HEAD_DIM));
        }
        subgroupBarrier();
        greatest = subgroupMax(greatest);
        var total = 0.0;
        for (var s = lane; s < working; s += SUBGROUP_SIZE) {
            let at = first + (s * PAIRS + pair) * RECORD + HEAD_DIM;
            let share = exp_exactly(scratch_f32(at) - greatest);
            shares[s * PAIRS + pair] = share;
            total += share * scratch_f32(at + 1u);
        }
        subgroupBarrier();
        total = subgroupAdd(total);
        if lane == 0u {
            totals[pair] = total;
        }
    }
    workgroupBarrier();
    for (var i = thread; i < PAIRS * HEAD_DIM; i += WORKGROUP) {
        let pair = i / HEAD_DIM;
        let d = i % HEAD_DIM;
        var sum = 0.0;
        for (var s = 0u; s < working; s += 4u) {
            // Parts beyond the last are read as the last, and count nothing.
            let b = min(s + 1u, working - 1u);
            let c = min(s + 2u, working - 1u);
            let e = min(s + 3u, working - 1u);
            let of_a = scratch_f32(first + (s * PAIRS + pair) * RECORD + d);
            let of_b = scratch_f32(first + (b * PAIRS + pair) * RECORD + d);
            let of_c = scratch_f32(first + (c * PAIRS + pair) * RECORD + d);
            let of_e = scratch_f32(first + (e * PAIRS + pair) * RECORD + d);
            sum += of_a * shares[s * PAIRS + pair];
            sum += select(0.0, of_b * shares[b * PAIRS + pair], b == s + 1u);
            sum += select(0.0, of_c * shares[c * PAIRS + pair], c == s + 2u);
            sum += select(0.0, of_e * shares[e * PAIRS + pair], e == s + 3u);
        }
        out[(query_set * PAIRS + pair) * HEAD_DIM + d] = divided(sum, totals[pair]);
    }
}
