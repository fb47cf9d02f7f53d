// Bytes of `weights: array<u32>`, which the kernel declares, at any place: blocks of 34, 18 or 210 bytes start
// at even ones. Numbers are little-endian.

fn load_byte(at: u32) -> u32 {
    return extractBits(weights[at / 4u], (at % 4u) * 8u, 8u);
}

// `at` is even.
fn load_u16(at: u32) -> u32 {
    return extractBits(weights[at / 4u], (at % 4u) * 8u, 16u);
}

// Four bytes from any place; the word after the first is loaded only where they reach into it.
fn load_u32_unaligned(at: u32) -> u32 {
    let word = at / 4u;
    let shift = (at % 4u) * 8u;
    var bits = weights[word] >> shift;
    if shift != 0u {
        bits |= weights[word + 1u] << (32u - shift);
    }
    return bits;
}

// `at` is even.
fn load_half(at: u32) -> f32 {
    return unpack2x16float(load_u16(at)).x;
}
