// The blocks of blocks.rs, an element at a time, with loads of load.wgsl:
//   dequantize_TYPE(row, column): element `column` of the row that starts at byte `row`, which is even.
// Exact: products have no more than 24 bits.

fn dequantize_f32(row: u32, column: u32) -> f32 {
    return bitcast<f32>(weights[row / 4u + column]);
}

fn dequantize_f16(row: u32, column: u32) -> f32 {
    return load_half(row + 2u * column);
}

fn dequantize_bf16(row: u32, column: u32) -> f32 {
    return bitcast<f32>(load_u16(row + 2u * column) << 16u);
}

// Low nibbles of 16 bytes, then the high ones.
fn nibble(qs: u32, i: u32) -> u32 {
    return extractBits(load_byte(qs + i % 16u), i / 16u * 4u, 4u);
}

fn signed_byte(at: u32) -> f32 {
    return f32(extractBits(i32(load_byte(at)), 0u, 8u));
}

fn dequantize_q8_0(row: u32, column: u32) -> f32 {
    let block = row + column / 32u * 34u;
    return load_half(block) * signed_byte(block + 2u + column % 32u);
}

fn dequantize_q4_0(row: u32, column: u32) -> f32 {
    let block = row + column / 32u * 18u;
    return load_half(block) * (f32(nibble(block + 2u, column % 32u)) - 8.0);
}

fn dequantize_q4_1(row: u32, column: u32) -> f32 {
    let block = row + column / 32u * 20u;
    return load_half(block) * f32(nibble(block + 4u, column % 32u)) + load_half(block + 2u);
}

fn dequantize_q4_k(row: u32, column: u32) -> f32 {
    let block = row + column / 256u * 144u;
    let i = column % 256u;
    let sub = i / 32u;
    // The six bits of scale and offset: of the first four whole, of the others nibbles and upper bits apart.
    let scales = block + 4u;
    var scale = load_byte(scales + sub % 4u);
    var offset = load_byte(scales + sub % 4u + 4u);
    if sub < 4u {
        scale &= 63u;
        offset &= 63u;
    } else {
        let low = load_byte(scales + sub + 4u);
        scale = (low & 15u) | ((scale >> 6u) << 4u);
        offset = (low >> 4u) | ((offset >> 6u) << 4u);
    }
    let byte = load_byte(block + 16u + sub / 2u * 32u + i % 32u);
    let q = extractBits(byte, sub % 2u * 4u, 4u);
    return load_half(block) * f32(scale) * f32(q) - load_half(block + 2u) * f32(offset);
}

fn dequantize_q6_k(row: u32, column: u32) -> f32 {
    let block = row + column / 256u * 210u;
    let i = column % 256u;
    let part = i / 128u;
    let quarter = i % 128u / 32u;
    let low = load_byte(block + part * 64u + quarter % 2u * 32u + i % 32u);
    let high = load_byte(block + 128u + part * 32u + i % 32u);
    let q = extractBits(low, quarter / 2u * 4u, 4u) | (extractBits(high, quarter * 2u, 2u) << 4u);
    let scale = signed_byte(block + 192u + i / 16u);
    return load_half(block + 208u) * scale * (f32(q) - 32.0);
}
