// Blocks of 32 nibbles in words of 16 bytes, which share the chunks of four elements of their group of four, two or one
// blocks in turns, so that neighbouring lanes read neighbouring activations. All nibbles of the matrix come first, then
// what `affine` takes for each block, `scale_word`: weights are `x * nibble + y`. A unit is a word, and those of its blocks,
// the first of which is `first`, as they were loaded: what is computed of them would wait for them.
const UNIT$: u32 = 32u;
struct Unit$ { q: vec4<u32>, scales: vec4<u32>, first: u32, group: u32 }
struct Input$ {
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
    e: vec4<f32>, f: vec4<f32>, g: vec4<f32>, h: vec4<f32>,
    sums: vec4<f32>,
}

// The first word of the group of a unit, and how many it has.
fn group_of$(unit: u32, units: u32) -> vec2<u32> {
    let full = units & ~3u;
    let pair = full + (units & 2u);
    if unit < full { return vec2<u32>(unit & ~3u, 4u); }
    return select(vec2<u32>(pair, 1u), vec2<u32>(full, 2u), unit < pair);
}

fn load_input$(token: u32, unit: u32) -> Input$ {
    let group = group_of$(unit, p.units);
    let at = group.x * 7u + unit;
    let step = group.y;
    let a = x4(token, at);
    let b = x4(token, at + step);
    let c = x4(token, at + 2u * step);
    let d = x4(token, at + 3u * step);
    let e = x4(token, at + 4u * step);
    let f = x4(token, at + 5u * step);
    let g = x4(token, at + 6u * step);
    let h = x4(token, at + 7u * step);
    let ones = vec4<f32>(1.0);
    return Input$(a, b, c, d, e, f, g, h, vec4<f32>(dot(a + b, ones), dot(c + d, ones), dot(e + f, ones), dot(g + h, ones)));
}

// The blocks of a group that a word has elements of.
fn blocks_of$(first: u32, group: u32) -> vec4<u32> {
    return first + vec4<u32>(0u, group / 4u, group / 2u, group * 3u / 4u);
}

fn unit_dot$(u: Unit$, i: Input$) -> f32 {
    let products = vec4<f32>(
        dot(low_ones$(u.q.x), i.a) + dot(high_ones$(u.q.x), i.b),
        dot(low_ones$(u.q.y), i.c) + dot(high_ones$(u.q.y), i.d),
        dot(low_ones$(u.q.z), i.e) + dot(high_ones$(u.q.z), i.f),
        dot(low_ones$(u.q.w), i.g) + dot(high_ones$(u.q.w), i.h));
    let blocks = blocks_of$(u.first, u.group);
    let a = affine$(u.scales.x, blocks.x);
    let b = affine$(u.scales.y, blocks.y);
    let c = affine$(u.scales.z, blocks.z);
    let d = affine$(u.scales.w, blocks.w);
    return dot(vec4<f32>(a.x, b.x, c.x, d.x), 16.0 * (products - i.sums)) + dot(vec4<f32>(a.y, b.y, c.y, d.y), i.sums);
}

// Of each matrix, whose number stands for #:

fn load_unit_#(row: u32, unit: u32, units: u32) -> Unit$ {
    let group = group_of$(unit, units);
    let first = row * units + group.x;
    let blocks = blocks_of$(first, group.y);
    let scales = vec4<u32>(scale_word_#(blocks.x), scale_word_#(blocks.y), scale_word_#(blocks.z), scale_word_#(blocks.w));
    return Unit$(w_#[row * units + unit], scales, first, group.y);
}

fn weight4_#(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let group = group_of$(k4 / 8u, units);
    let chunk = k4 - group.x * 8u;
    let turn = chunk / group.y;
    let word = w_#[row * units + group.x + chunk % group.y][turn / 2u];
    let ones = select(low_ones$(word), high_ones$(word), (turn & 1u) == 1u);
    let block = row * units + k4 / 8u;
    let a = affine$(scale_word_#(block), block);
    return a.x * (16.0 * (ones - vec4<f32>(1.0))) + vec4<f32>(a.y);
}
