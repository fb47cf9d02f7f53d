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
//   fn put_part(query_set: u32, pair: u32, part: Part, d: u32, sum: f32, total: f32)
// which is called with what each element of a query has of the values of a part's positions, and with its weights.

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

/// One of the `working` parts of all positions.
struct Part {
    split: u32,
    working: u32,
}

/// Positions that a workgroup looks at in one turn of the loop.
const STRIDE: u32 = WORKGROUP / CHUNKS;

/// Queries, and the key at last.
var<workgroup> heads: array<f32, (PAIRS + 1u) * HEAD_DIM>;
var<workgroup> tops: array<f32, PAIRS * SUBGROUPS>;
var<workgroup> totals: array<f32, PAIRS * SUBGROUPS>;
var<workgroup> sums: array<f32, PAIRS * SUBGROUPS * HEAD_DIM>;

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

/// Positions that are seen from `position`.
fn seen_from(position: u32) -> u32 {
    return select(position + 1u, params.capacity, position >= params.capacity);
}

/// Into how many parts they are cut.
fn parts_of(seen: u32) -> u32 {
    return clamp((seen + LEAST - 1u) / LEAST, 1u, params.splits);
}

/// What workgroup `split` of those that share a set of queries does; how many parts there are.
fn attend(split: u32, query_set: u32, subgroup: u32, lane: u32) -> u32 {
    let thread = subgroup * SUBGROUP_SIZE + lane;
    let kv_head = query_set / SETS;
    let position = positions[0];
    let seen = seen_from(position);
    let oldest = position - (seen - 1u);
    let working = parts_of(seen);
    if split >= working {
        return 0u;
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

    for (var i = thread; i < PAIRS * HEAD_DIM; i += WORKGROUP) {
        let pair = i / HEAD_DIM;
        let d = i % HEAD_DIM;
        var sum = 0.0;
        var total = 0.0;
        for (var s = 0u; s < SUBGROUPS; s++) {
            sum += sums[(pair * SUBGROUPS + s) * HEAD_DIM + d];
            total += totals[pair * SUBGROUPS + s];
        }
        put_part(query_set, pair, Part(split, working), d, sum, total);
    }
    return working;
}

/// The greatest score of a query, which the weights are relative to.
fn greatest_of(pair: u32) -> f32 {
    var greatest = LOWEST;
    for (var s = 0u; s < SUBGROUPS; s++) {
        greatest = max(greatest, tops[pair * SUBGROUPS + s]);
    }
    return greatest;
}
