// Of each matrix, whose number stands for #:

fn affine_#(block: u32) -> vec2<f32> {
    let two = unpack2x16float(s_#[block / 2u]);
    let d = select(two.x, two.y, (block & 1u) == 1u);
    return vec2<f32>(d, -8.0 * d);
}
