// A thread turns one pair of elements of one token, in as many heads as its turn comes to: along x, threads
// go over the pairs of one head after the other, and along y workgroups go over the tokens.

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
// In turns a position, units of 2^-64: low and high halves.
@group(0) @binding(2) var<storage, read> frequencies: array<vec2<u32>>;

struct Params {
    heads: u32,
    head_dim: u32,
}

var<immediate> params: Params;

// Whether the pairs are 2i and 2i + 1, not i and i + dims/2.
override PAIRS: bool;
const THREADS = 64u;

// The upper half of a product.
fn upper(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u);
}

// Cosine and sine of an angle in turns, units of 2^-32; absolute error below 2e-7. Coefficients of math.rs.
fn cos_sin(angle: u32) -> vec2<f32> {
    // The rest after whole quarters, at most an eighth of a turn.
    let quarter = (angle + 0x20000000u) >> 30u;
    let r = f32(i32(angle - (quarter << 30u))) * 0x1p-32;
    let squared = r * r;
    var sine = fma(41.47283, squared, -76.69787);
    sine = fma(sine, squared, 81.6052);
    sine = fma(sine, squared, -41.3417);
    sine = fma(sine, squared, 6.2831855) * r;
    var cosine = fma(59.22017, squared, -85.44285);
    cosine = fma(cosine, squared, 64.939316);
    cosine = fma(cosine, squared, -19.739208);
    cosine = fma(cosine, squared, 1.0);
    let swapped = (quarter & 1u) != 0u;
    let c = select(cosine, sine, swapped);
    let s = select(sine, cosine, swapped);
    return vec2(
        select(c, -c, quarter == 1u || quarter == 2u),
        select(s, -s, quarter >= 2u),
    );
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let half = arrayLength(&frequencies);
    let pair = thread.x % half;
    let first = thread.x / half;
    // Heads that have a thread at the same time.
    let step = groups.x * THREADS / half;
    if first >= step {
        return;
    }
    let a = select(pair, 2u * pair, PAIRS);
    let b = select(pair + half, 2u * pair + 1u, PAIRS);
    let frequency = frequencies[pair];
    let tokens = arrayLength(&positions);
    for (var token = group.y; token < tokens; token += groups.y) {
        let position = positions[token];
        let turn = cos_sin(frequency.y * position + upper(frequency.x, position));
        for (var head = first; head < params.heads; head += step) {
            let base = (token * params.heads + head) * params.head_dim;
            let v = vec2(x[base + a], x[base + b]);
            x[base + a] = v.x * turn.x - v.y * turn.y;
            x[base + b] = v.x * turn.y + v.y * turn.x;
        }
    }
}
