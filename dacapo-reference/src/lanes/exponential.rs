//! Exponential functions through f64, without branches or calls, so that loops over them become vector instructions.

use core::f64::consts::{LN_2, LOG2_E};

/// Beyond these all results are 0 or infinite in f32, and none is in f64.
const ENOUGH: f64 = 300.0;
/// From here on numbers are whole steps apart: adding it rounds, and leaves the integer in the low bits.
const WHOLE_STEPS: f64 = 6_755_399_441_055_744.0;
/// `2^x`; `rest` says what the exponential function is to be taken of beside this integer near x.
#[inline(always)]
fn power_of_two(x: f64, rest: impl Fn(f64) -> f64) -> f64 {
    let shifted = x + WHOLE_STEPS;
    let rest = rest(shifted - WHOLE_STEPS);
    let fraction = near_zero(rest);
    let power = (shifted.to_bits() << 52).wrapping_add(1f64.to_bits());
    fraction * f64::from_bits(power)
}

/// `e^x` for x within half of `ln(2)`, to 32 bits: the first nine terms of the series, in an order that leaves little
/// to wait for.
#[inline(always)]
fn near_zero(x: f64) -> f64 {
    let square = x * x;
    let first = 1.0 + x;
    let middle = (1.0 / 2.0 + x * (1.0 / 6.0)) + square * (1.0 / 24.0);
    let last = (1.0 / 120.0 + x * (1.0 / 720.0)) + square * (1.0 / 5040.0 + x * (1.0 / 40320.0));
    first + square * (middle + square * x * last)
}

/// `e^x`.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let x = x.clamp(-ENOUGH / 2.0, ENOUGH / 2.0);
    power_of_two(x * LOG2_E, |whole| x - whole * LN_2)
}

/// `2^x`.
#[inline(always)]
pub(super) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-ENOUGH, ENOUGH);
    power_of_two(x, |whole| (x - whole) * LN_2)
}

/// The hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f64) -> f64 {
    // Near 0 the difference below would lose too many bits.
    let square = x * x;
    let near = x * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 1.0 / 64.0 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    /// Whether the rounded result is the nearest f32 or next to it.
    fn close(ours: f64, theirs: f64) -> bool {
        let (ours, theirs) = (ours as f32, theirs as f32);
        let near = [theirs, theirs.next_up(), theirs.next_down()];
        near.contains(&ours) || ours.is_nan() && theirs.is_nan()
    }

    fn inputs() -> impl Iterator<Item = f64> {
        let mut random = Random::new(8);
        (0..600_000).map(move |n| match n % 3 {
            0 => random.float().into(),
            1 => f64::from(random.small_float() * 160.0),
            _ => f64::from(random.small_float() * 0.05),
        })
    }

    #[test]
    fn they_are_those_of_the_standard_library() {
        let mut not_nearest = 0;
        for x in inputs() {
            for (ours, theirs) in [(exp(x), x.exp()), (exp2(x), x.exp2()), (tanh(x), x.tanh())] {
                assert!(close(ours, theirs), "{x:?}: {ours:?}, not {theirs:?}");
                not_nearest += u32::from(ours as f32 != theirs as f32 && !x.is_nan());
            }
        }
        assert!(
            not_nearest < 1800,
            "{not_nearest} of 1800000 are not the nearest"
        );
    }

    #[test]
    fn special_values_have_special_results() {
        assert_eq!([exp(0.0), exp(f64::NEG_INFINITY) as f32 as f64], [1.0, 0.0]);
        assert_eq!(
            [exp(f64::INFINITY) as f32, exp2(128.0) as f32],
            [f32::INFINITY; 2]
        );
        for whole in -149..128 {
            assert_eq!(exp2(whole.into()), 2f64.powi(whole));
        }
        assert_eq!(
            [tanh(f64::INFINITY), tanh(f64::NEG_INFINITY), tanh(30.0)],
            [1.0, -1.0, 1.0]
        );
        assert!(tanh(-0.0).is_sign_negative());
        assert!(
            [exp(f64::NAN), exp2(f64::NAN), tanh(f64::NAN)]
                .iter()
                .all(|x| x.is_nan())
        );
    }
}
