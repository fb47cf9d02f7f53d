// 1 / sqrt(x) within 1.5 units in the last place, by a step of Newton's; infinity for 0 and 0 for infinity.
fn inverse_root(x: f32) -> f32 {
    let y = inverseSqrt(x);
    let corrected = fma(0.5 * y, fma(-x * y, y, 1.0), y);
    return select(y, corrected, x > 0.0 && x < 0x1p+127);
}
