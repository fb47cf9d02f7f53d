// A thread turns one pair of elements of one token, in as many heads as its turn comes to: along x, threads
// go over the pairs of one head after the other, and along y workgroups go over the tokens.

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> frequencies: array<u32>;

struct Params {
    heads: u32,
    head_dim: u32,
    // Whether the pairs are 2i and 2i + 1, not i and i + dims/2.
    pairs: u32,
}

var<immediate> params: Params;

const THREADS = 64u;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let half = arrayLength(&frequencies) / 2u;
    let pair = thread.x % half;
    let first = thread.x / half;
    // Heads that have a thread at the same time.
    let step = groups.x * THREADS / half;
    if first >= step {
        return;
    }
    let a = select(pair, 2u * pair, params.pairs != 0u);
    let b = select(pair + half, 2u * pair + 1u, params.pairs != 0u);
    let frequency = vec2<u32>(frequencies[2u * pair], frequencies[2u * pair + 1u]);
    let tokens = arrayLength(&positions);
    for (var token = group.y; token < tokens; token += groups.y) {
        let position = positions[token];
        let turn = turn_at(frequency, position);
        for (var head = first; head < params.heads; head += step) {
            let base = (token * params.heads + head) * params.head_dim;
            let v = vec2(x[base + a], x[base + b]);
            x[base + a] = v.x * turn.x - v.y * turn.y;
            x[base + b] = v.x * turn.y + v.y * turn.x;
        }
    }
}
