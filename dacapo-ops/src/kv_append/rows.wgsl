// A workgroup takes one token, of the keys where y is 0 and of the values where it is 1. What precedes this
// declares the caches and, for words of PER_WORD elements from the cache's element `at`,
//   fn store_keys(at: u32, elements: vec2<f32>), fn store_values(at: u32, elements: vec2<f32>).

@group(0) @binding(0) var<storage, read> k: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;

struct Params {
    kv_heads: u32,
    head_dim: u32,
    capacity: u32,
}

var<immediate> params: Params;

override SUBGROUP_SIZE: u32;
const THREADS = 256u;

var<workgroup> found: array<u32, THREADS / 4>;

// Whether a later token goes to the same slot. The same in all threads.
fn superseded(token: u32, thread: u32, subgroup: u32, lane: u32) -> bool {
    let tokens = arrayLength(&positions);
    if token + 1u >= tokens {
        return false;
    }
    let position = positions[token];
    var same = 0u;
    for (var later = token + 1u + thread; later < tokens; later += THREADS) {
        if same_slot(position, positions[later], params.capacity) {
            same = 1u;
        }
    }
    same = subgroupMax(same);
    if lane == 0u {
        found[subgroup] = same;
    }
    workgroupBarrier();
    var any = 0u;
    for (var i = 0u; i < THREADS / SUBGROUP_SIZE; i += 1u) {
        any |= found[i];
    }
    workgroupBarrier();
    return any != 0u;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let thread = subgroup * SUBGROUP_SIZE + lane;
    let words = params.head_dim / PER_WORD;
    for (var token = group.x; token < arrayLength(&positions); token += groups.x) {
        let slot = positions[token] % params.capacity;
        let end = select(words * params.kv_heads, 0u, superseded(token, thread, subgroup, lane));
        for (var i = thread; i < end; i += THREADS) {
            let head = i / words;
            let element = (i - head * words) * PER_WORD;
            let at = (head * params.capacity + slot) * params.head_dim + element;
            let source = (token * params.kv_heads + head) * params.head_dim + element;
            if group.y == 0u {
                store_keys(at, vec2(k[source], k[source + PER_WORD - 1u]));
            } else {
                store_values(at, vec2(v[source], v[source + PER_WORD - 1u]));
            }
        }
    }
}
