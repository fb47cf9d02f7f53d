/// e^x within 2 units in the last place where the result is normal; smaller ones may become 0. NaN becomes a number.
fn exp_exactly(x: f32) -> f32 {
    let clamped = clamp(x, -104.0, 89.0);
    let n = round(clamped * 1.442695);
    // ln 2 in two parts, the first short enough for its product with any exponent to be exact.
    let r = fma(n, -0.0017409306, fma(n, -0.69140625, clamped));
    var y = fma(0.0001989198, r, 0.0013934541);
    y = fma(y, r, 0.00833331);
    y = fma(y, r, 0.041666456);
    y = fma(y, r, 0.16666667);
    y = fma(y, r, 0.5);
    y = fma(y, r * r, r) + 1.0;
    // In two steps: 2^n itself need not be a normal number.
    let half = i32(n) >> 1u;
    let rest = i32(n) - half;
    return y * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(rest + 127) << 23u);
}
