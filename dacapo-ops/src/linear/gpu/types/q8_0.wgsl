// Blocks of 32 signed bytes: all bytes of the matrix first, then an f16 scale for each block. A unit is half a block.
const UNIT: u32 = 16u;
struct Unit { q: vec4<u32>, d: f32 }
struct Input { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

fn scale_of(block: u32) -> f32 {
    let two = unpack2x16float(s[block / 2u]);
    return select(two.x, two.y, (block & 1u) == 1u);
}

fn load_unit(row: u32, unit: u32, units: u32) -> Unit {
    let at = row * units + unit;
    return Unit(w[at], scale_of(at / 2u));
}

fn load_input(token: u32, unit: u32) -> Input {
    let at = unit * 4u;
    return Input(x4(token, at), x4(token, at + 1u), x4(token, at + 2u), x4(token, at + 3u));
}

// Four signed bytes: 2^23 plus an unsigned byte is exact as f32, and costs no conversion.
fn bytes4(word: u32) -> vec4<f32> {
    let q = word ^ 0x80808080u;
    let shifted = vec4<u32>(q, q >> 8u, q >> 16u, q >> 24u);
    return bitcast<vec4<f32>>((shifted & vec4<u32>(0xffu)) | vec4<u32>(0x4b000000u)) - vec4<f32>(8388736.0);
}

fn unit_dot(u: Unit, i: Input) -> f32 {
    let ab = dot(bytes4(u.q.x), i.a) + dot(bytes4(u.q.y), i.b);
    let cd = dot(bytes4(u.q.z), i.c) + dot(bytes4(u.q.w), i.d);
    return u.d * (ab + cd);
}

fn weight4(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let at = row * units + k4 / 4u;
    return scale_of(at / 2u) * bytes4(w[at][k4 & 3u]);
}
