// Blocks of 32 signed bytes in pairs of words of 16 bytes, which share the chunks of four elements of their group of four,
// two or one blocks in turns, so that neighbouring lanes read neighbouring activations. All bytes of the matrix come
// first, then an f16 scale for each block. A unit is a word, and the words with the scales of its blocks, the first of which
// is `first`, as they were loaded: what is computed of them would wait for them.
const UNIT$: u32 = 16u;
struct Unit$ { q: vec4<u32>, scales: vec4<u32>, first: u32, group: u32 }
struct Input$ { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

// The first word of the group of a unit, and how many it has.
fn group_of$(unit: u32, units: u32) -> vec2<u32> {
    let full = units & ~7u;
    let pair = full + (units & 4u);
    if unit < full { return vec2<u32>(unit & ~7u, 8u); }
    return select(vec2<u32>(pair, 2u), vec2<u32>(full, 4u), unit < pair);
}

fn load_input$(token: u32, unit: u32) -> Input$ {
    let group = group_of$(unit, p.units);
    let at = group.x * 3u + unit;
    let g = group.y;
    return Input$(x4(token, at), x4(token, at + g), x4(token, at + 2u * g), x4(token, at + 3u * g));
}

// Four signed bytes: 2^23 plus an unsigned byte is exact as f32, and costs no conversion.
fn bytes4$(word: u32) -> vec4<f32> {
    let q = word ^ 0x80808080u;
    let shifted = vec4<u32>(q, q >> 8u, q >> 16u, q >> 24u);
    return bitcast<vec4<f32>>((shifted & vec4<u32>(0xffu)) | vec4<u32>(0x4b000000u)) - vec4<f32>(8388736.0);
}

// The blocks of a group that a word has elements of.
fn blocks_of$(first: u32, group: u32) -> vec4<u32> {
    return first + vec4<u32>(0u, group / 8u, group / 4u, group * 3u / 8u);
}

// Of two blocks the scale of `block`.
fn scale_in$(word: u32, block: u32) -> f32 {
    let two = unpack2x16float(word);
    return select(two.x, two.y, (block & 1u) == 1u);
}

fn unit_dot$(u: Unit$, i: Input$) -> f32 {
    let products = vec4<f32>(
        dot(bytes4$(u.q.x), i.a), dot(bytes4$(u.q.y), i.b), dot(bytes4$(u.q.z), i.c), dot(bytes4$(u.q.w), i.d));
    let blocks = blocks_of$(u.first, u.group);
    let scales = vec4<f32>(
        scale_in$(u.scales.x, blocks.x), scale_in$(u.scales.y, blocks.y),
        scale_in$(u.scales.z, blocks.z), scale_in$(u.scales.w, blocks.w));
    return dot(scales, products);
}

// Of each matrix, whose number stands for #:

fn load_unit_#(row: u32, unit: u32, units: u32) -> Unit$ {
    let group = group_of$(unit, units);
    let first = (row * units + group.x) / 2u;
    let words = blocks_of$(first, group.y) / vec4<u32>(2u);
    let scales = vec4<u32>(s_#[words.x], s_#[words.y], s_#[words.z], s_#[words.w]);
    return Unit$(w_#[row * units + unit], scales, first, group.y);
}

fn weight4_#(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let group = group_of$(k4 / 8u * 2u, units);
    let chunk = k4 - group.x * 4u;
    let word = w_#[row * units + group.x + chunk % group.y][chunk / group.y];
    let block = row * (units / 2u) + k4 / 8u;
    return scale_in$(s_#[block / 2u], block) * bytes4$(word);
}
