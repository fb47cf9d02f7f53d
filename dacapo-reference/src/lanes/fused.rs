//! Products and sums that are rounded once, without a fused instruction, which not every processor has.
//!
//! A product that is exact in a wider type, and a sum in it that is rounded to odd (the neighbour whose last bit is 1,
//! when it is not exact), may be rounded once more to a type that is at least two bits narrower: the result is the
//! nearest, as if there had been one rounding.

/// `a + b` rounded to odd.
macro_rules! odd_sum {
    ($a:expr, $b:expr, $float:ty) => {{
        let (a, b): ($float, $float) = ($a, $b);
        let sum = a + b;
        // Knuth's sum of two: `lost` is what rounding took, exactly; NaN where something is not finite.
        let b_part = sum - a;
        let lost = (a - (sum - b_part)) + (b - b_part);
        let bits = sum.to_bits();
        let away = (lost > 0.0) == (sum > 0.0);
        let neighbour = if away { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
        let inexact = (lost > 0.0) | (lost < 0.0);
        <$float>::from_bits(if inexact & (bits & 1 == 0) { neighbour } else { bits })
    }};
}

/// `a * b + c` in f32.
#[inline(always)]
pub(super) fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    odd_sum!(f64::from(a) * f64::from(b), f64::from(c), f64) as f32
}

/// `a * b + c` of f16 values, rounded to f16.
#[inline(always)]
pub(super) fn multiply_add_f16(a: f32, b: f32, c: f32) -> u32 {
    super::binary16::round(odd_sum!(a * b, c, f32).to_bits())
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::super::testing::Random;
    use super::*;

    fn check(a: f32, b: f32, c: f32) {
        let (ours, theirs) = (multiply_add(a, b, c), a.mul_add(b, c));
        let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
        assert!(same, "{a:?} * {b:?} + {c:?}: {ours:?}, not {theirs:?}");
    }

    #[test]
    fn f32_is_that_of_the_standard_library() {
        let mut random = Random::new(1);
        for _ in 0..1_000_000 {
            let [a, b] = [random.float(), random.float()];
            check(a, b, random.float());
            // A sum that nearly cancels.
            let shift = random.bits() % 64;
            let product = (-a * b).to_bits();
            check(
                a,
                b,
                f32::from_bits(product.wrapping_add(shift << (random.bits() % 28))),
            );
        }
    }

    #[test]
    fn a_tie_is_decided_by_what_is_lost_in_f64() {
        let mut random = Random::new(9);
        for _ in 0..100_000 {
            // Odd numbers of 13 bits: products of 25 and 26 bits, of which an f32 has no more than 24.
            let mut odd = || (4097 + random.bits() % 4096 / 2 * 2) as f32;
            let (a, b) = (odd(), odd());
            for little in [0.0, 2f32.powi(-40), 2f32.powi(-100), f32::from_bits(1)] {
                check(a, b, little);
                check(a, b, -little);
                check(-a, b, little);
            }
        }
    }

    /// Exactly, in units of 2^-48.
    fn units(x: f32) -> i128 {
        let scaled = f64::from(x) * 2f64.powi(48);
        scaled as i128
    }

    /// The f16 nearest to an integer of units, by bisection over all f16.
    fn nearest_f16(exact: i128) -> f32 {
        let magnitude = exact.unsigned_abs();
        let doubled = |bits: u16| 2 * units(f16::from_bits(bits).to_f32()) as u128;
        let (mut low, mut high) = (0, 0x7c00);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if doubled(middle) <= 2 * magnitude {
                low = middle
            } else {
                high = middle
            }
        }
        // What would follow the largest, 65536, stands in for infinity.
        let above = if high == 0x7c00 {
            2 * units(65536.0) as u128
        } else {
            doubled(high)
        };
        let (below, from, above) = (doubled(low), 2 * magnitude, above);
        let up = from - below > above.saturating_sub(from)
            || from - below == above.saturating_sub(from) && low & 1 == 1;
        f16::from_bits(if up { high } else { low }).to_f32() * if exact < 0 { -1.0 } else { 1.0 }
    }

    #[test]
    fn f16_is_rounded_once() {
        let mut random = Random::new(2);
        for _ in 0..300_000 {
            let [a, b, c] = core::array::from_fn(|_| f16::from_bits(random.bits() as u16).to_f32());
            if !(a.is_finite() && b.is_finite() && c.is_finite()) {
                continue;
            }
            let exact = units(a) / (1 << 24) * (units(b) / (1 << 24)) + units(c);
            let ours = f32::from_bits(multiply_add_f16(a, b, c));
            assert_eq!(ours, nearest_f16(exact), "{a:?} * {b:?} + {c:?}");
        }
    }
}
