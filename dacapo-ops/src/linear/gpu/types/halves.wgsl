// Rows of 16-bit floats, padded with zeros to whole units. `widen` turns two of them into f32.
const UNIT$: u32 = 8u;
struct Unit$ { w: vec4<u32> }
struct Input$ { a: vec4<f32>, b: vec4<f32> }

fn load_input$(token: u32, unit: u32) -> Input$ {
    return Input$(x4(token, unit * 2u), x4(token, unit * 2u + 1u));
}

fn unit_dot$(u: Unit$, i: Input$) -> f32 {
    let a = vec4<f32>(widen$(u.w.x), widen$(u.w.y));
    let b = vec4<f32>(widen$(u.w.z), widen$(u.w.w));
    return dot(a, i.a) + dot(b, i.b);
}

// Of each matrix, whose number stands for #:

fn load_unit_#(row: u32, unit: u32, units: u32) -> Unit$ {
    return Unit$(w_#[row * units + unit]);
}

fn weight4_#(row: u32, k4: u32, units: u32) -> vec4<f32> {
    let words = w_#[row * units + k4 / 2u];
    let two = select(words.xy, words.zw, (k4 & 1u) == 1u);
    return vec4<f32>(widen$(two.x), widen$(two.y));
}
