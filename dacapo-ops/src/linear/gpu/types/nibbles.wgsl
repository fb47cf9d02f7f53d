// Blocks of 32 nibbles, 16 bytes: elements 0 to 15 are the low nibbles, 16 to 31 the high ones. All nibbles of the
// matrix come first, then what `affine` reads for each block: weights are `x * nibble + y`. A unit is a block.
const UNIT: u32 = 32u;
struct Unit { q: vec4<u32>, affine: vec2<f32> }
struct Input {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
    e: vec4<f32>, f: vec4<f32>, g: vec4<f32>, h: vec4<f32>,
    sum: f32,
}

fn load_unit(row: u32, unit: u32, units: u32) -> Unit {
    let at = row * units + unit;
    return Unit(w[at], affine(at));
}

fn load_input(token: u32, unit: u32) -> Input {
    let at = unit * 8u;
    let a = x4(token, at);
    let b = x4(token, at + 1u);
    let c = x4(token, at + 2u);
    let d = x4(token, at + 3u);
    let e = x4(token, at + 4u);
    let f = x4(token, at + 5u);
    let g = x4(token, at + 6u);
    let h = x4(token, at + 7u);
    let sums = ((a + b) + (c + d)) + ((e + f) + (g + h));
    return Input(a, b, c, d, e, f, g, h, (sums.x + sums.y) + (sums.z + sums.w));
}

fn unit_dot(u: Unit, i: Input) -> f32 {
    let x = dot(low_ones(u.q.x), i.a) + dot(high_ones(u.q.x), i.e);
    let y = dot(low_ones(u.q.y), i.b) + dot(high_ones(u.q.y), i.f);
    let z = dot(low_ones(u.q.z), i.c) + dot(high_ones(u.q.z), i.g);
    let t = dot(low_ones(u.q.w), i.d) + dot(high_ones(u.q.w), i.h);
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
