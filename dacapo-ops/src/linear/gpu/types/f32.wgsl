// Rows of f32, padded with zeros to whole units.
const UNIT$: u32 = 4u;
struct Unit$ { w: vec4<u32> }
struct Input$ { x: vec4<f32> }

fn load_input$(token: u32, unit: u32) -> Input$ {
    return Input$(x4(token, unit));
}

fn unit_dot$(u: Unit$, i: Input$) -> f32 {
    return dot(bitcast<vec4<f32>>(u.w), i.x);
}

// Of each matrix, whose number stands for #:

fn load_unit_#(row: u32, unit: u32, units: u32) -> Unit$ {
    return Unit$(w_#[row * units + unit]);
}

fn weight4_#(row: u32, k4: u32, units: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(w_#[row * units + k4]);
}
