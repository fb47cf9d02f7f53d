// Blocks of 256 six-bit values: 128 bytes of low nibbles and 64 bytes of high pairs for each block first, then for each
// block 16 signed bytes of scales, the f16 scale of the block and two bytes of nothing. A unit is 64 values, 16 from each
// quarter of half a block, which share bytes, and the words with their scales as they were loaded: what is computed of them
// would wait for them.
const UNIT$: u32 = 64u;
struct Unit$ { low: vec4<u32>, high: vec4<u32>, pairs: vec4<u32>, scales: vec2<u32>, of_block: u32, part: u32 }
struct Input$ {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
    e: vec4<f32>, f: vec4<f32>, g: vec4<f32>, h: vec4<f32>,
    i: vec4<f32>, j: vec4<f32>, k: vec4<f32>, l: vec4<f32>,
    m: vec4<f32>, n: vec4<f32>, o: vec4<f32>, p: vec4<f32>,
}

fn load_input$(token: u32, unit: u32) -> Input$ {
    let at = unit / 4u * 64u + ((unit >> 1u) & 1u) * 32u + (unit & 1u) * 4u;
    return Input$(
        x4(token, at), x4(token, at + 1u), x4(token, at + 2u), x4(token, at + 3u),
        x4(token, at + 8u), x4(token, at + 9u), x4(token, at + 10u), x4(token, at + 11u),
        x4(token, at + 16u), x4(token, at + 17u), x4(token, at + 18u), x4(token, at + 19u),
        x4(token, at + 24u), x4(token, at + 25u), x4(token, at + 26u), x4(token, at + 27u));
}

// Four values of a nibble and two bits each, less 32. 2^23 plus a small number is exact as f32.
fn six4$(nibbles: u32, pairs: u32) -> vec4<f32> {
    let all = (nibbles & 0x0f0f0f0fu) | ((pairs & 0x03030303u) << 4u);
    let shifted = vec4<u32>(all, all >> 8u, all >> 16u, all >> 24u);
    return bitcast<vec4<f32>>((shifted & vec4<u32>(0xffu)) | vec4<u32>(0x4b000000u)) - vec4<f32>(8388640.0);
}

fn quarter$(nibbles: vec4<u32>, pairs: vec4<u32>, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> f32 {
    return (dot(six4$(nibbles.x, pairs.x), a) + dot(six4$(nibbles.y, pairs.y), b))
        + (dot(six4$(nibbles.z, pairs.z), c) + dot(six4$(nibbles.w, pairs.w), d));
}

// The scale in byte `at` of a word, times that of the block.
fn scale_in$(word: u32, at: u32, of_block: u32) -> f32 {
    let byte = word << (24u - 8u * at);
    return unpack2x16float(of_block).x * f32(bitcast<i32>(byte) >> 24u);
}

fn unit_dot$(u: Unit$, i: Input$) -> f32 {
    let four = vec4<u32>(4u);
    let sums = vec4<f32>(
        quarter$(u.low, u.pairs, i.a, i.b, i.c, i.d),
        quarter$(u.high, u.pairs >> vec4<u32>(2u), i.e, i.f, i.g, i.h),
        quarter$(u.low >> four, u.pairs >> four, i.i, i.j, i.k, i.l),
        quarter$(u.high >> four, u.pairs >> vec4<u32>(6u), i.m, i.n, i.o, i.p));
    let scales = vec4<f32>(
        scale_in$(u.scales.x, u.part, u.of_block), scale_in$(u.scales.x, u.part + 2u, u.of_block),
        scale_in$(u.scales.y, u.part, u.of_block), scale_in$(u.scales.y, u.part + 2u, u.of_block));
    return dot(scales, sums);
}

// Of each matrix, whose number stands for #:

fn load_unit_#(row: u32, unit: u32, units: u32) -> Unit$ {
    let block = (row * units + unit) / 4u;
    let half = (unit >> 1u) & 1u;
    let part = unit & 1u;
    let nibbles = block * 12u + half * 4u + part;
    let words = block * 5u + half * 2u;
    return Unit$(
        w_#[nibbles], w_#[nibbles + 2u], w_#[block * 12u + 8u + half * 2u + part],
        vec2<u32>(s_#[words], s_#[words + 1u]), s_#[block * 5u + 4u], part);
}

fn weight4_#(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let block = row * (units / 4u) + k4 / 64u;
    let half = (k4 / 32u) & 1u;
    let quarter = (k4 / 8u) & 3u;
    let part = (k4 / 4u) & 1u;
    let nibbles = w_#[block * 12u + half * 4u + (quarter & 1u) * 2u + part][k4 & 3u] >> (4u * (quarter / 2u));
    let pairs = w_#[block * 12u + 8u + half * 2u + part][k4 & 3u] >> (2u * quarter);
    let at = half * 8u + quarter * 2u + part;
    return scale_in$(s_#[block * 5u + at / 4u], at & 3u, s_#[block * 5u + 4u]) * six4$(nibbles, pairs);
}
