fn affine$(word: u32, block: u32) -> vec2<f32> {
    return unpack2x16float(word);
}

// Of each matrix, whose number stands for #:

fn scale_word_#(block: u32) -> u32 {
    return s_#[block];
}
