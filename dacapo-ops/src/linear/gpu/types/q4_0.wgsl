fn affine$(word: u32, block: u32) -> vec2<f32> {
    let two = unpack2x16float(word);
    let d = select(two.x, two.y, (block & 1u) == 1u);
    return vec2<f32>(d, -8.0 * d);
}

// Of each matrix, whose number stands for #:

fn scale_word_#(block: u32) -> u32 {
    return s_#[block / 2u];
}
