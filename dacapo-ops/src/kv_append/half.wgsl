// The bits of an f16, rounded to the nearest, ties to even; beyond 65504 infinity. pack2x16float may round to
// zero, and leaves open what becomes of numbers out of range.
fn half_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let magnitude = bits & 0x7fffffffu;
    // Infinity, or a quiet NaN.
    let beyond = select(0x7c00u, 0x7e00u, magnitude > 0x7f800000u);
    // Below 2^-14: adding 1/2 rounds to multiples of 2^-24.
    let small = bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u;
    // From bias 127 to 15, and half of the last place kept less the tie; a carry goes into the exponent.
    let normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u;
    let rounded = select(select(normal, small, magnitude < 0x38800000u), beyond, magnitude >= 0x47800000u);
    return rounded | (bits >> 16u) & 0x8000u;
}
