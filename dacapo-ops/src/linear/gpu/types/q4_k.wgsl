// Blocks of 256 nibbles as they lie in files: 16 bytes of scales, then 128 bytes; the low nibbles of 32 of them are one
// sub-block, the high ones the next. A unit is 16 bytes, half of two sub-blocks.
const UNIT: u32 = 32u;
struct Unit { q: vec4<u32>, low: vec2<f32>, high: vec2<f32> }
struct Input { low: array<vec4<f32>, 4>, high: array<vec4<f32>, 4>, sums: vec2<f32> }

fn byte_of(head: vec4<u32>, at: u32) -> u32 {
    return (head[1u + at / 4u] >> (8u * (at & 3u))) & 0xffu;
}

// Scale and offset of a sub-block, each of six bits, times those of the block (`get_scale_min_k4` of ggml).
fn affine(head: vec4<u32>, sub: u32) -> vec2<f32> {
    let of_block = unpack2x16float(head.x);
    var scale: u32;
    var offset: u32;
    if sub < 4u {
        scale = byte_of(head, sub) & 63u;
        offset = byte_of(head, sub + 4u) & 63u;
    } else {
        let both = byte_of(head, sub + 4u);
        scale = (both & 15u) | ((byte_of(head, sub - 4u) >> 6u) << 4u);
        offset = (both >> 4u) | ((byte_of(head, sub) >> 6u) << 4u);
    }
    return vec2<f32>(of_block.x * f32(scale), -of_block.y * f32(offset));
}

fn load_unit(row: u32, unit: u32, units: u32) -> Unit {
    let block = (row * units + unit) / 8u;
    let part = unit & 7u;
    let head = w[block * 9u];
    let sub = part / 2u * 2u;
    return Unit(w[block * 9u + 1u + part], affine(head, sub), affine(head, sub + 1u));
}

fn load_input(token: u32, unit: u32) -> Input {
    let part = unit & 7u;
    let at = unit / 8u * 64u + part / 2u * 16u + (part & 1u) * 4u;
    let low = array<vec4<f32>, 4>(x4(token, at), x4(token, at + 1u), x4(token, at + 2u), x4(token, at + 3u));
    let high = array<vec4<f32>, 4>(x4(token, at + 8u), x4(token, at + 9u), x4(token, at + 10u), x4(token, at + 11u));
    let a = (low[0] + low[1]) + (low[2] + low[3]);
    let b = (high[0] + high[1]) + (high[2] + high[3]);
    return Input(low, high, vec2<f32>((a.x + a.y) + (a.z + a.w), (b.x + b.y) + (b.z + b.w)));
}

fn unit_dot(u: Unit, i: Input) -> f32 {
    let low = (dot(low_ones(u.q.x), i.low[0]) + dot(low_ones(u.q.y), i.low[1]))
        + (dot(low_ones(u.q.z), i.low[2]) + dot(low_ones(u.q.w), i.low[3]));
    let high = (dot(high_ones(u.q.x), i.high[0]) + dot(high_ones(u.q.y), i.high[1]))
        + (dot(high_ones(u.q.z), i.high[2]) + dot(high_ones(u.q.w), i.high[3]));
    let nibbles = 16.0 * (vec2<f32>(low, high) - i.sums);
    return (u.low.x * nibbles.x + u.low.y * i.sums.x) + (u.high.x * nibbles.y + u.high.y * i.sums.y);
}

fn weight4(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let block = row * (units / 8u) + k4 / 64u;
    let sub = (k4 / 8u) & 7u;
    let word = w[block * 9u + 1u + sub / 2u * 2u + ((k4 / 4u) & 1u)][k4 & 3u];
    let ones = select(low_ones(word), high_ones(word), (sub & 1u) == 1u);
    let a = affine(w[block * 9u], sub);
    return a.x * (16.0 * (ones - vec4<f32>(1.0))) + vec4<f32>(a.y);
}
