// Blocks of 256 nibbles as they lie in files: 16 bytes of scales, then 128 bytes; the low nibbles of 32 of them are one
// sub-block, the high ones the next. A unit is 16 bytes, half of two sub-blocks, and the block's scales as they were loaded:
// what is computed of them would wait for them.
const UNIT$: u32 = 32u;
struct Unit$ { q: vec4<u32>, head: vec4<u32>, pair: u32 }
struct Input$ {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
    e: vec4<f32>, f: vec4<f32>, g: vec4<f32>, h: vec4<f32>,
    sums: vec2<f32>,
}

// Scales and offsets of two neighbouring sub-blocks, each of six bits, times those of the block: the low sub-block's pair,
// then the high one's (`get_scale_min_k4` of ggml). The bytes of both are side by side in the same words.
fn affine2$(head: vec4<u32>, pair: u32) -> vec4<f32> {
    let of_block = unpack2x16float(head.x);
    let shift = 16u * (pair & 1u);
    let a = head.y >> shift;
    let b = head.z >> shift;
    let c = head.w >> shift;
    let late = pair >= 2u;
    let scales = select(a & 0x3f3fu, (c & 0x0f0fu) | ((a & 0xc0c0u) >> 2u), late);
    let offsets = select(b & 0x3f3fu, ((c >> 4u) & 0x0f0fu) | ((b & 0xc0c0u) >> 2u), late);
    let numbers = vec4<f32>(vec4<u32>(scales & 0xffu, offsets & 0xffu, (scales >> 8u) & 0xffu, (offsets >> 8u) & 0xffu));
    return numbers * vec4<f32>(of_block.x, -of_block.y, of_block.x, -of_block.y);
}

fn load_input$(token: u32, unit: u32) -> Input$ {
    let part = unit & 7u;
    let at = unit / 8u * 64u + part / 2u * 16u + (part & 1u) * 4u;
    let a = x4(token, at);
    let b = x4(token, at + 1u);
    let c = x4(token, at + 2u);
    let d = x4(token, at + 3u);
    let e = x4(token, at + 8u);
    let f = x4(token, at + 9u);
    let g = x4(token, at + 10u);
    let h = x4(token, at + 11u);
    let low = (a + b) + (c + d);
    let high = (e + f) + (g + h);
    return Input$(a, b, c, d, e, f, g, h, vec2<f32>((low.x + low.y) + (low.z + low.w), (high.x + high.y) + (high.z + high.w)));
}

fn unit_dot$(u: Unit$, i: Input$) -> f32 {
    let low = (dot(low_ones$(u.q.x), i.a) + dot(low_ones$(u.q.y), i.b))
        + (dot(low_ones$(u.q.z), i.c) + dot(low_ones$(u.q.w), i.d));
    let high = (dot(high_ones$(u.q.x), i.e) + dot(high_ones$(u.q.y), i.f))
        + (dot(high_ones$(u.q.z), i.g) + dot(high_ones$(u.q.w), i.h));
    let nibbles = 16.0 * (vec2<f32>(low, high) - i.sums);
    let a = affine2$(u.head, u.pair);
    return (a.x * nibbles.x + a.y * i.sums.x) + (a.z * nibbles.y + a.w * i.sums.y);
}

// Of each matrix, whose number stands for #:

fn load_unit_#(row: u32, unit: u32, units: u32) -> Unit$ {
    let block = (row * units + unit) / 8u;
    let part = unit & 7u;
    return Unit$(w_#[block * 9u + 1u + part], w_#[block * 9u], part / 2u);
}

fn weight4_#(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let block = row * (units / 8u) + k4 / 64u;
    let sub = (k4 / 8u) & 7u;
    let word = w_#[block * 9u + 1u + sub / 2u * 2u + ((k4 / 4u) & 1u)][k4 & 3u];
    let is_high = (sub & 1u) == 1u;
    let ones = select(low_ones$(word), high_ones$(word), is_high);
    let both = affine2$(w_#[block * 9u], sub / 2u);
    let a = select(both.xy, both.zw, is_high);
    return a.x * (16.0 * (ones - vec4<f32>(1.0))) + vec4<f32>(a.y);
}
