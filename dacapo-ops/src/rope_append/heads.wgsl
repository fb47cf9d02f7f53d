// A subgroup takes one head of q, or one of k and of v, of one token. What precedes this declares the caches at slots
// 3 and 4 with `store_keys` and `store_values`, and `same_slot`; `turn.wgsl` follows.

@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(5) var<storage, read> positions: array<u32>;
// In turns a position, units of 2^-64: low and high halves.
@group(0) @binding(6) var<storage, read> frequencies: array<u32>;

struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    capacity: u32,
    // Whether the pairs are 2i and 2i + 1, not i and i + dims/2.
    pairs: u32,
    eps: f32,
}

var<immediate> params: Params;

const THREADS = 128u;

// Whether one of the tokens from `first` on, in steps of a subgroup, goes to the same slot. The same in all lanes.
fn superseded(position: u32, first: u32) -> bool {
    var same = 0u;
    for (var later = first; later < arrayLength(&positions); later += SUBGROUP_SIZE) {
        if same_slot(position, positions[later], params.capacity) {
            same = 1u;
        }
    }
    subgroupBarrier();
    return subgroupMax(same) != 0u;
}

// Element i after its pair has turned.
fn turned(head: Head, norm: Norm, position: u32, i: u32) -> f32 {
    let own = element(head, norm, i);
    if i >= 2u * head.half {
        return own;
    }
    let is_second = select(i >= head.half, (i & 1u) == 1u, params.pairs != 0u);
    let behind = select(i, i - head.half, is_second);
    let pair = select(behind, i / 2u, params.pairs != 0u);
    let partner = select(second_of(pair, head.half), first_of(pair), is_second);
    let other = element(head, norm, partner);
    let turn = turn_of(pair, position);
    if is_second {
        return other * turn.y + own * turn.x;
    }
    return own * turn.x - other * turn.y;
}

fn turn_in_place(head: Head, norm: Norm, position: u32, lane: u32) {
    for (var pair = lane; pair < head.half; pair += SUBGROUP_SIZE) {
        let turned = turned_pair(head, norm, position, pair);
        q[head.base + first_of(pair)] = turned.x;
        q[head.base + second_of(pair, head.half)] = turned.y;
    }
    if NORMED {
        for (var i = 2u * head.half + lane; i < head.width; i += SUBGROUP_SIZE) {
            q[head.base + i] = element(head, norm, i);
        }
    }
}

fn append(head: Head, norm: Norm, position: u32, at: u32, lane: u32) {
    for (var i = lane * PER_WORD; i < head.width; i += SUBGROUP_SIZE * PER_WORD) {
        let last = PER_WORD - 1u;
        var keys = vec2(turned(head, norm, position, i));
        if last > 0u {
            keys.y = turned(head, norm, position, i + last);
        }
        store_keys(at + i, keys);
        store_values(at + i, vec2(v[head.base + i], v[head.base + i + last]));
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let heads = params.heads + params.kv_heads;
    let all = heads * arrayLength(&positions);
    let at_once = THREADS / SUBGROUP_SIZE;
    for (var first = group.x * at_once; first < all; first += groups.x * at_once) {
        // Subgroups without a head go along with nothing to do.
        let busy = first + subgroup < all;
        let work = min(first + subgroup, all - 1u);
        let token = work / heads;
        let number = work - token * heads;
        let of_q = number < params.heads;
        let kv_head = number - params.heads;
        let row = select(token * params.kv_heads + kv_head, token * params.heads + number, of_q);
        let head = Head(
            of_q,
            row * params.head_dim,
            select(0u, arrayLength(&frequencies) / 2u, busy),
            select(0u, params.head_dim, busy),
        );
        let position = positions[token];
        let norm = norm_of_head(head, lane);
        let lost = superseded(position, select(token + 1u + lane, arrayLength(&positions), of_q));
        if of_q {
            turn_in_place(head, norm, position, lane);
        } else if !lost {
            let slot = position % params.capacity;
            append(head, norm, position, (kv_head * params.capacity + slot) * params.head_dim, lane);
        }
    }
}
