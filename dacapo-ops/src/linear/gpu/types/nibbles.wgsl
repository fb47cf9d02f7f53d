// Blocks of 32 nibbles, 16 bytes: elements 0 to 15 are the low nibbles, 16 to 31 the high ones. All nibbles of the
// matrix come first, then what `affine` reads for each block: weights are `x * nibble + y`. A unit is a block.
const UNIT: u32 = 32u;
struct Unit { q: vec4<u32>, affine: vec2<f32> }
struct Input { low: array<vec4<f32>, 4>, high: array<vec4<f32>, 4>, sum: f32 }

fn load_unit(row: u32, unit: u32, units: u32) -> Unit {
    let at = row * units + unit;
    return Unit(w[at], affine(at));
}

fn load_input(token: u32, unit: u32) -> Input {
    let at = unit * 8u;
    let low = array<vec4<f32>, 4>(x4(token, at), x4(token, at + 1u), x4(token, at + 2u), x4(token, at + 3u));
    let high = array<vec4<f32>, 4>(x4(token, at + 4u), x4(token, at + 5u), x4(token, at + 6u), x4(token, at + 7u));
    let sums = ((low[0] + low[1]) + (low[2] + low[3])) + ((high[0] + high[1]) + (high[2] + high[3]));
    return Input(low, high, (sums.x + sums.y) + (sums.z + sums.w));
}

fn unit_dot(u: Unit, i: Input) -> f32 {
    let x = dot(low_ones(u.q.x), i.low[0]) + dot(high_ones(u.q.x), i.high[0]);
    let y = dot(low_ones(u.q.y), i.low[1]) + dot(high_ones(u.q.y), i.high[1]);
    let z = dot(low_ones(u.q.z), i.low[2]) + dot(high_ones(u.q.z), i.high[2]);
    let t = dot(low_ones(u.q.w), i.low[3]) + dot(high_ones(u.q.w), i.high[3]);
    let nibbles = 16.0 * (((x + y) + (z + t)) - i.sum);
    return u.affine.x * nibbles + u.affine.y * i.sum;
}

fn weight4(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let at = row * units + k4 / 8u;
    let word = w[at][k4 & 3u];
    let ones = select(low_ones(word), high_ones(word), (k4 & 4u) != 0u);
    let a = affine(at);
    return a.x * (16.0 * (ones - vec4<f32>(1.0))) + vec4<f32>(a.y);
}
