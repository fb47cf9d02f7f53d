// What a position turns a pair of elements by.

// The upper half of a product.
fn upper(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u);
}

// Cosine and sine of an angle in turns, units of 2^-32; absolute error below 2e-7. Coefficients of math.rs.
fn cos_sin(angle: u32) -> vec2<f32> {
    // The rest after whole quarters, at most an eighth of a turn.
    let quarter = (angle + 0x20000000u) >> 30u;
    let r = f32(i32(angle - (quarter << 30u))) * 0x1p-32;
    let squared = r * r;
    var sine = fma(41.47283, squared, -76.69787);
    sine = fma(sine, squared, 81.6052);
    sine = fma(sine, squared, -41.3417);
    sine = fma(sine, squared, 6.2831855) * r;
    var cosine = fma(59.22017, squared, -85.44285);
    cosine = fma(cosine, squared, 64.939316);
    cosine = fma(cosine, squared, -19.739208);
    cosine = fma(cosine, squared, 1.0);
    let swapped = (quarter & 1u) != 0u;
    let c = select(cosine, sine, swapped);
    let s = select(sine, cosine, swapped);
    return vec2(
        select(c, -c, quarter == 1u || quarter == 2u),
        select(s, -s, quarter >= 2u),
    );
}

// Cosine and sine for a frequency in turns a position, units of 2^-64: low and high halves.
fn turn_at(frequency: vec2<u32>, position: u32) -> vec2<f32> {
    return cos_sin(frequency.y * position + upper(frequency.x, position));
}
