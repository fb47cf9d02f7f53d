//! Functions of floats: through f64 and rounded, where accuracy is all that counts.

/// A function of f64, rounded to f32.
#[inline(always)]
pub(super) fn wide(f: impl Fn(f64) -> f64) -> impl Fn(f32) -> f32 {
    move |x| f(x.into()) as f32
}

/// -1, 0 or 1; NaN stays.
#[inline(always)]
pub(super) fn sign(x: f32) -> f32 {
    let negative = if x < 0.0 { -1.0 } else { x };
    if x > 0.0 { 1.0 } else { negative }
}

/// `1 / sqrt(x)`.
#[inline(always)]
pub(super) fn inverse_sqrt(x: f32) -> f32 {
    (1.0 / f64::from(x).sqrt()) as f32
}

/// `a^b`; NaN of a negative a, as WGSL defines it by a logarithm.
pub(super) fn power(a: f32, b: f32) -> f32 {
    if a < 0.0 {
        f32::NAN
    } else {
        f64::from(a).powf(b.into()) as f32
    }
}

/// The smaller; of a NaN and a number, the number.
#[inline(always)]
pub(super) fn min(a: f32, b: f32) -> f32 {
    a.min(b)
}

/// The larger; of a NaN and a number, the number.
#[inline(always)]
pub(super) fn max(a: f32, b: f32) -> f32 {
    a.max(b)
}

/// `min(max(x, low), high)`.
#[inline(always)]
pub(super) fn clamp(x: f32, low: f32, high: f32) -> f32 {
    min(max(x, low), high)
}

/// `x = fraction * 2^exponent`, the fraction's magnitude from 0.5 to below 1; x and 0 of 0, infinities and NaN.
#[inline(always)]
pub(super) fn fraction_and_exponent(x: f32) -> (f32, i32) {
    const TO_NORMAL: i32 = 32;
    let small = x.abs() < f32::MIN_POSITIVE;
    let normal = if small {
        x * (1u64 << TO_NORMAL) as f32
    } else {
        x
    };
    let exponent =
        (normal.to_bits() >> 23 & 0xff).cast_signed() - 126 - if small { TO_NORMAL } else { 0 };
    let fraction = f32::from_bits(normal.to_bits() & 0x807f_ffff | 0x3f00_0000);
    if x != 0.0 && x.abs() < f32::INFINITY {
        (fraction, exponent)
    } else {
        (x, 0)
    }
}

/// `x * 2^exponent`, rounded once.
#[inline(always)]
pub(super) fn scale(x: f32, exponent: i32) -> f32 {
    // Beyond these every f32 becomes 0 or infinite, and in f64 the product is exact.
    let exponent = exponent.clamp(-400, 400);
    let power = f64::from_bits(u64::from((1023 + exponent).cast_unsigned()) << 52);
    (f64::from(x) * power) as f32
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    #[test]
    fn a_number_is_its_fraction_and_exponent() {
        let mut random = Random::new(6);
        for x in
            (0..200_000)
                .map(|_| random.float())
                .chain([f32::from_bits(1), -f32::MIN_POSITIVE, 1.0])
        {
            let (fraction, exponent) = fraction_and_exponent(x);
            if x.is_finite() && x != 0.0 {
                assert!((0.5..1.0).contains(&fraction.abs()), "{x:?}");
                assert_eq!(f64::from(fraction) * 2f64.powi(exponent), f64::from(x));
                assert_eq!(scale(fraction, exponent), x);
            }
        }
        assert_eq!(fraction_and_exponent(f32::INFINITY), (f32::INFINITY, 0));
        assert_eq!(fraction_and_exponent(-0.0).0.to_bits(), (-0.0f32).to_bits());
        assert!(fraction_and_exponent(f32::NAN).0.is_nan());
    }

    #[test]
    fn scaling_rounds_once_and_ends_in_nothing_or_infinity() {
        assert_eq!(scale(1.5, i32::MAX), f32::INFINITY);
        assert_eq!(scale(-1.5, i32::MIN), 0.0);
        assert!(scale(-1.5, i32::MIN).is_sign_negative());
        assert_eq!(scale(f32::from_bits(1), 276), 2f32.powi(127));
        assert_eq!(scale(f32::MAX, -277), f32::from_bits(1));
        // 3 * 2^-150 is a tie between one and two steps.
        assert_eq!(scale(3.0, -150), f32::from_bits(2));
        assert!(scale(f32::NAN, 3).is_nan());
    }

    #[test]
    fn a_nan_gives_way_to_a_number() {
        assert_eq!(min(f32::NAN, 1.0), 1.0);
        assert_eq!(max(1.0, f32::NAN), 1.0);
        assert_eq!(clamp(f32::NAN, -1.0, 1.0), -1.0);
        assert_eq!(clamp(5.0, 2.0, 1.0), 1.0);
        assert!(min(f32::NAN, f32::NAN).is_nan());
    }

    #[test]
    fn signs_and_powers_are_those_of_the_specification() {
        assert_eq!([-3.0, -0.0, 0.0, 2.0].map(sign), [-1.0, 0.0, 0.0, 1.0]);
        assert!(sign(f32::NAN).is_nan());
        assert_eq!(power(2.0, 0.5), core::f32::consts::SQRT_2);
        assert!(power(-2.0, 2.0).is_nan());
        assert_eq!(inverse_sqrt(0.0), f32::INFINITY);
        assert_eq!(inverse_sqrt(4.0), 0.5);
    }
}
