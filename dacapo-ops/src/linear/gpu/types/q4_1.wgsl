// Of each matrix, whose number stands for #:

fn affine_#(block: u32) -> vec2<f32> {
    return unpack2x16float(s_#[block]);
}
