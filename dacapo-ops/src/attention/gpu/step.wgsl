// One token: its queries and keys turn, keys and values go to the cache, and the queries attend. A workgroup takes PAIRS
// queries of a KV head, which has SETS of them, over one part of the positions; the part that holds the token's own
// appends it. CHUNKS lanes share a position, each with one chunk of its key and of its value, and go on to the next
// position without waiting for the others; what comes next is loaded before what is there is used.
//
// Lines with `$p` stand once for each query, with `$b` for each position that a lane has at the same time, with `$v` for
// each vector of a chunk.
//
// What precedes this declares `q`, `k`, `v`, arrays of f32, `frequencies`, in turns a position, units of 2^-64: low and
// high halves, `positions`, `params`, a StepParams, and
//   fn put_attended(i: u32, value: f32)         writes an element of the output.

struct StepParams {
    heads: u32,
    kv_heads: u32,
    capacity: u32,
    /// Workgroups along x.
    splits: u32,
    scale: f32,
    /// 0 for none.
    softcap: f32,
    head_dim: u32,
    /// Whether the pairs that turn are 2i and 2i + 1, not i and i + dims/2.
    pairs: u32,
    eps: f32,
}

/// Positions that a workgroup looks at in one turn of the loop.
const STRIDE: u32 = WORKGROUP / CHUNKS;

/// Queries, and the key at last.
var<workgroup> heads: array<f32, (PAIRS + 1u) * HEAD_DIM>;
var<workgroup> tops: array<f32, PAIRS * SUBGROUPS>;
var<workgroup> totals: array<f32, PAIRS * SUBGROUPS>;
var<workgroup> sums: array<f32, PAIRS * SUBGROUPS * HEAD_DIM>;
/// Of parts, when they are joined.
var<workgroup> shares: array<f32, PAIRS * MAX_SPLITS>;

/// The sum over the lanes of a position.
fn over_chunks(x: f32) -> f32 {
    var sum = x;
    for (var step = 1u; step < CHUNKS; step *= 2u) {
        sum += subgroupShuffleXor(sum, step);
    }
    return sum;
}

/// The sum over the positions of a subgroup.
fn over_positions(x: vec4<f32>) -> vec4<f32> {
    var sum = x;
    for (var step = CHUNKS; step < SUBGROUP_SIZE; step *= 2u) {
        sum += subgroupShuffleXor(sum, step);
    }
    return sum;
}

/// A vector of a head in workgroup memory.
fn vector_of(head: u32, i: u32) -> vec4<f32> {
    let at = head * HEAD_DIM + 4u * i;
    return vec4<f32>(heads[at], heads[at + 1u], heads[at + 2u], heads[at + 3u]);
}

fn vector_of_v(kv_head: u32, i: u32) -> vec4<f32> {
    let at = kv_head * HEAD_DIM + 4u * i;
    return vec4<f32>(v[at], v[at + 1u], v[at + 2u], v[at + 3u]);
}

/// The slot of a position, counted from the oldest.
fn slot_of(first: u32, at: u32) -> u32 {
    let slot = first + at;
    return select(slot, slot - params.capacity, slot >= params.capacity);
}

/// What workgroup `split` of those that share a set of queries does.
fn attend(split: u32, query_set: u32, subgroup: u32, lane: u32) {
    let thread = subgroup * SUBGROUP_SIZE + lane;
    let kv_head = query_set / SETS;
    let position = positions[0];
    let seen = select(position + 1u, params.capacity, position >= params.capacity);
    let oldest = position - (seen - 1u);
    let working = clamp((seen + LEAST - 1u) / LEAST, 1u, params.splits);
    if split >= working {
        return;
    }
    // Counted from the oldest: the position after the newest may be no u32.
    let part = part_of(vec2<u32>(0u, seen), split, working);
    let appends = part.x < seen && part.y == seen;
    let chunk = thread % CHUNKS;
    let own = thread / CHUNKS;
    let first_row = kv_head * params.capacity;
    let first_slot = oldest % params.capacity;
    // The last one that the cache has already.
    let last = max(min(part.y, seen - 1u), 1u) - 1u;
    var k_$b = Chunk();
    var v_$b = Chunk();
    if seen > 1u {
        let row_$b = first_row + slot_of(first_slot, min(part.x + $bu * STRIDE + own, last));
        k_$b = load_k(row_$b, chunk);
        v_$b = load_v(row_$b, chunk);
    }

    let count = select(PAIRS, PAIRS + 1u, appends);
    for (var number = subgroup; number < count; number += SUBGROUPS) {
        let of_q = number < PAIRS;
        let row = select(kv_head, query_set * PAIRS + number, of_q);
        let head = Head(of_q, row * HEAD_DIM, arrayLength(&frequencies) / 2u, HEAD_DIM);
        let norm = norm_of_head(head, lane);
        for (var pair = lane; pair < head.half; pair += SUBGROUP_SIZE) {
            let turned = turned_pair(head, norm, position, pair);
            heads[number * HEAD_DIM + first_of(pair)] = turned.x;
            heads[number * HEAD_DIM + second_of(pair, head.half)] = turned.y;
        }
        for (var i = 2u * head.half + lane; i < HEAD_DIM; i += SUBGROUP_SIZE) {
            heads[number * HEAD_DIM + i] = element(head, norm, i);
        }
    }
    workgroupBarrier();

    // The token's own chunks, as the cache has them from now on.
    var own_k = Chunk();
    var own_v = Chunk();
    if appends {
        own_k[$v] = vector_of(PAIRS, chunk * VECS + $vu);
        own_v[$v] = vector_of_v(kv_head, chunk * VECS + $vu);
        let row = first_row + position % params.capacity;
        if own == 0u && query_set % SETS == 0u {
            store_k(row, chunk, own_k);
            store_v(row, chunk, own_v);
        }
        own_k = stored(own_k);
        own_v = stored(own_v);
    }
    let query_$p_$v = vector_of($pu, chunk * VECS + $vu) * params.scale;
    var best_$p = LOWEST;
    var weight_$p = 0.0;
    var sum_$p_$v = vec4<f32>();
    for (var first = part.x; first < part.y; first += STRIDE * BATCH) {
        let at_$b = first + $bu * STRIDE + own;
        var next_k_$b = Chunk();
        var next_v_$b = Chunk();
        if first + STRIDE * BATCH < part.y {
            let ahead_$b = first_row + slot_of(first_slot, min(at_$b + STRIDE * BATCH, last));
            next_k_$b = load_k(ahead_$b, chunk);
            next_v_$b = load_v(ahead_$b, chunk);
        }
        if at_$b + 1u == seen { k_$b = own_k; v_$b = own_v; }
        var score_$p_$b = 0.0;
        score_$p_$b += dot(query_$p_$v, k_$b[$v]);
        score_$p_$b = select(LOWEST, capped(over_chunks(score_$p_$b)), at_$b < part.y);
        var top_$p = best_$p;
        top_$p = max(top_$p, score_$p_$b);
        let shrink_$p = exp_exactly(best_$p - top_$p);
        best_$p = top_$p;
        weight_$p *= shrink_$p;
        sum_$p_$v *= shrink_$p;
        let e_$p_$b = select(exp_exactly(score_$p_$b - top_$p), 0.0, score_$p_$b <= LOWEST);
        weight_$p += e_$p_$b;
        sum_$p_$v += e_$p_$b * v_$b[$v];
        k_$b = next_k_$b;
        v_$b = next_v_$b;
    }

    // Of the positions of each subgroup, then of all.
    let whole_$p = subgroupMax(best_$p);
    if lane == 0u {
        tops[$pu * SUBGROUPS + subgroup] = whole_$p;
    }
    workgroupBarrier();
    var greatest_$p = LOWEST;
    for (var i = 0u; i < SUBGROUPS; i++) {
        greatest_$p = max(greatest_$p, tops[$pu * SUBGROUPS + i]);
    }
    let share_$p = exp_exactly(best_$p - greatest_$p);
    let total_$p = over_positions(vec4<f32>(weight_$p * share_$p)).x;
    sum_$p_$v = over_positions(sum_$p_$v * share_$p);
    if lane < CHUNKS {
        let at_$p = ($pu * SUBGROUPS + subgroup) * HEAD_DIM + lane * CHUNK;
        sums[at_$p + 4u * $vu] = sum_$p_$v.x;
        sums[at_$p + 4u * $vu + 1u] = sum_$p_$v.y;
        sums[at_$p + 4u * $vu + 2u] = sum_$p_$v.z;
        sums[at_$p + 4u * $vu + 3u] = sum_$p_$v.w;
    }
    if lane == 0u {
        totals[$pu * SUBGROUPS + subgroup] = total_$p;
    }
    workgroupBarrier();

    let record = first_record(0u, query_set, split);
    for (var i = thread; i < PAIRS * HEAD_DIM; i += WORKGROUP) {
        let pair = i / HEAD_DIM;
        let d = i % HEAD_DIM;
        var sum = 0.0;
        var total = 0.0;
        for (var s = 0u; s < SUBGROUPS; s++) {
            sum += sums[(pair * SUBGROUPS + s) * HEAD_DIM + d];
            total += totals[pair * SUBGROUPS + s];
        }
        if working == 1u {
            put_attended((query_set * PAIRS + pair) * HEAD_DIM + d, divided(sum, total));
        } else {
            atomicStore(&scratch[record + pair * RECORD + d], bitcast<u32>(sum));
            if d == 0u {
                var greatest = LOWEST;
                for (var s = 0u; s < SUBGROUPS; s++) {
                    greatest = max(greatest, tops[pair * SUBGROUPS + s]);
                }
                atomicStore(&scratch[record + pair * RECORD + HEAD_DIM], bitcast<u32>(greatest));
                atomicStore(&scratch[record + pair * RECORD + HEAD_DIM + 1u], bitcast<u32>(total));
            }
        }
    }
    if working > 1u && arrives_last(query_set, working, thread) {
        join_parts(query_set, working, thread, subgroup, lane);
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
        put_attended((query_set * PAIRS + pair) * HEAD_DIM + d, divided(sum, totals[pair]));
    }
}
