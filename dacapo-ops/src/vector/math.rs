//! Elementary functions on vectors. The coefficients are minimax fits made for this file; each
//! function states its error against f64 over the whole range, which `tests.rs` checks.

use super::Simd;

/// Horner's rule, highest power first.
#[inline(always)]
fn polynomial<S: Simd>(s: S, x: S::F, coefficients: &[f32]) -> S::F {
    let (first, rest) = coefficients.split_first().unwrap_or((&0.0, &[]));
    let mut y = s.splat(*first);
    for &c in rest {
        y = s.mul_add(y, x, s.splat(c));
    }
    y
}

/// e^x within 1.6 units in the last place, gradual underflow and overflow to infinity included; NaN
/// stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // ln 2 in two parts, the first short enough for its product with any exponent to be exact.
    const LN2_HIGH: f32 = 0.691_406_25;
    const LN2_LOW: f32 = 0.001_740_930_6;
    // Beyond these the result is 0 or infinity all the same.
    let x = s.max(s.splat(-104.0), s.min(s.splat(89.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN2_LOW), r);
    let p = polynomial(
        s,
        r,
        &[
            0.000_198_919_8,
            0.001_393_454_1,
            0.008_333_31,
            0.041_666_456,
            0.166_666_67,
            0.5,
        ],
    );
    let y = s.add(s.mul_add(p, s.mul(r, r), r), s.splat(1.0));
    s.scale_by_power(y, n)
}

/// 1 / (1 + e^-x), relative error below 3e-7 for results above 1e-30; smaller ones
/// become 0 (absolute error below 1e-38).
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// tanh x, relative error below 5e-7.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let squared = s.mul(x, x);
    // Near 0 the other form cancels.
    let near = s.mul(
        x,
        polynomial(
            s,
            squared,
            &[
                0.015_468_751,
                -0.052_096_654,
                0.133_100_64,
                -0.333_323_03,
                0.999_999_94,
            ],
        ),
    );
    let e = exp(s, s.add(x, x));
    let far = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
    s.select_lt(squared, s.splat(0.36), near, far)
}

/// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, as x times a sigmoid so that nothing cancels for
/// negative x: relative error below 2e-5 for results above 1e-30.
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    const TWICE_ROOT_2_OVER_PI: f32 = 1.595_769_2;
    let inner = s.mul_add(s.mul(x, x), s.splat(0.044_715), s.splat(1.0));
    let u = s.mul(s.mul(x, s.splat(TWICE_ROOT_2_OVER_PI)), inner);
    // Finite, so that a very negative x gives 0 instead of infinity times 0.
    s.mul(x, sigmoid(s, s.max(s.splat(-104.0), u)))
}

/// `x/2 (1 + erf(x / sqrt 2))`, through erfc so that nothing cancels for negative x: relative error
/// below 1e-5 where the result is normal.
#[inline(always)]
pub(crate) fn gelu_erf<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    let magnitude = s.max(s.sub(zero, x), x);
    // Past 14.2 standard deviations the result is x or 0.
    let z = s.mul(
        s.min(s.splat(20.0), magnitude),
        s.splat(std::f32::consts::FRAC_1_SQRT_2),
    );
    // erfc(z) = t exp(-z^2 + p(t)) with t = 1 / (1 + z/2); p is smooth, fitted to 2e-8.
    let t = s.div(s.splat(1.0), s.mul_add(z, s.splat(0.5), s.splat(1.0)));
    let p = polynomial(
        s,
        t,
        &[
            -0.119_984_89,
            0.839_683_6,
            -2.438_510_2,
            3.708_512_5,
            -3.043_802_7,
            1.345_470_4,
            -0.575_947_76,
            0.187_994_5,
            0.361_092_24,
            1.001_037_4,
            -1.265_545,
        ],
    );
    let exponent = s.mul_add(s.sub(zero, z), z, p);
    let half_erfc = s.mul(s.mul(t, s.splat(0.5)), exp(s, exponent));
    let cumulative = s.select_lt(x, zero, half_erfc, s.sub(s.splat(1.0), half_erfc));
    s.mul(x, cumulative)
}

/// Sine and cosine of `turns` full turns, for `turns` in -0.5..=0.5; absolute error below 2e-7.
#[inline(always)]
pub(crate) fn sin_cos_turns<S: Simd>(s: S, turns: S::F) -> (S::F, S::F) {
    let quarter = s.round(s.mul(turns, s.splat(4.0)));
    let r = s.mul_add(quarter, s.splat(-0.25), turns);
    let squared = s.mul(r, r);
    let sin = s.mul(
        r,
        polynomial(
            s,
            squared,
            &[41.472_83, -76.697_87, 81.605_2, -41.341_7, 6.283_185_5],
        ),
    );
    let cos = polynomial(
        s,
        squared,
        &[59.220_17, -85.442_85, 64.939_316, -19.739_208, 1.0],
    );

    // `quarter` is -2, -1, 0, 1 or 2. An odd one swaps sine and cosine.
    let distance = s.sub(s.mul(quarter, quarter), s.splat(1.0));
    let distance = s.mul(distance, distance);
    let half = s.splat(0.5);
    let (sin, cos) = (
        s.select_lt(distance, half, cos, sin),
        s.select_lt(distance, half, sin, cos),
    );
    (
        flip(s, quarter, sin, -0.5, 1.5),
        flip(s, quarter, cos, -1.5, 0.5),
    )
}

/// `v`, negated where `quarter` is below or above the bounds.
#[inline(always)]
fn flip<S: Simd>(s: S, quarter: S::F, v: S::F, below: f32, above: f32) -> S::F {
    let minus = s.sub(s.splat(0.0), v);
    let v = s.select_lt(quarter, s.splat(below), minus, v);
    s.select_lt(s.splat(above), quarter, minus, v)
}
