// The functions of math.rs, with its coefficients. Errors are in units in the last place of a device whose
// division is within 2.5 of them, as Vulkan asks for; results below 2^-126 may become 0.
//
// NaN is told by its bits: compilers take bounds to be min and max, which may turn NaN into a number.

fn with_nan_of(x: f32, y: f32) -> f32 {
    return select(y, x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}

fn power_of_two(n: i32) -> f32 {
    return bitcast<f32>(u32(n + 127) << 23u);
}

// e^x within 2 units; 0 and infinity beyond the range of f32; NaN stays NaN.
fn exponential(x: f32) -> f32 {
    // NaN becomes a bound here: converted to an integer it could be anything.
    var bounded = select(-104.0, x, x > -104.0);
    bounded = select(bounded, 89.0, bounded > 89.0);
    // Not by adding and taking away 1.5 * 2^23: Mesa cancels the two.
    let exponent = i32(round(bounded * 1.442695));
    // ln 2 in two parts, the first short enough for its product to be exact, the second in units of 2^-32: of two
    // products with one f32 Mesa makes one.
    let r = fma(f32(exponent), -0.69140625, bounded) - f32(exponent * 7477240) * 0x1p-32;
    var p = fma(0.0001989198, r, 0.0013934541);
    p = fma(p, r, 0.00833331);
    p = fma(p, r, 0.041666456);
    p = fma(p, r, 0.16666667);
    p = fma(p, r, 0.5);
    let y = fma(p, r * r, r) + 1.0;
    // In two steps, since 2^128 and 2^-150 are no f32.
    let half = exponent >> 1u;
    return with_nan_of(x, y * power_of_two(half) * power_of_two(exponent - half));
}

// 1 / (1 + e^-x) within 6 units.
fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exponential(-x));
}

// A very negative gate gives 0 instead of infinity times 0.
fn finite_below(x: f32) -> f32 {
    return select(x, -1e30, x < -1e30);
}

fn silu(x: f32) -> f32 {
    let bounded = finite_below(x);
    return with_nan_of(x, bounded * sigmoid(bounded));
}

// tanh x, relative error below 5e-7.
fn hyperbolic_tangent(x: f32) -> f32 {
    let squared = x * x;
    var near = fma(0.015468751, squared, -0.052096654);
    near = fma(near, squared, 0.13310064);
    near = fma(near, squared, -0.33332303);
    near = fma(near, squared, 0.99999994) * x;
    let far = 1.0 - 2.0 / (exponential(x + x) + 1.0);
    return select(far, near, squared < 0.36);
}

// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) as x times a sigmoid.
fn gelu_tanh(x: f32) -> f32 {
    let bounded = finite_below(x);
    let u = bounded * 1.5957692 * fma(bounded * bounded, 0.044715, 1.0);
    return with_nan_of(x, bounded * sigmoid(u));
}

// x/2 (1 + erf(x / sqrt 2)) through erfc(z) = t exp(-z^2 + p(t)), t = 1 / (1 + z/2).
fn gelu_erf(x: f32) -> f32 {
    let bounded = finite_below(x);
    let magnitude = abs(bounded);
    let z = select(magnitude, 20.0, magnitude > 20.0) * 0.70710677;
    let t = 1.0 / fma(z, 0.5, 1.0);
    var p = fma(-0.11998489, t, 0.8396836);
    p = fma(p, t, -2.4385102);
    p = fma(p, t, 3.7085125);
    p = fma(p, t, -3.0438027);
    p = fma(p, t, 1.3454704);
    p = fma(p, t, -0.57594776);
    p = fma(p, t, 0.1879945);
    p = fma(p, t, 0.36109224);
    p = fma(p, t, 1.0010374);
    p = fma(p, t, -1.265545);
    let half_erfc = 0.5 * t * exponential(fma(-z, z, p));
    return with_nan_of(x, bounded * select(1.0 - half_erfc, half_erfc, bounded < 0.0));
}
