//! Between f32 and f16, on bits, without branches, so that loops over them become vector instructions.

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
const QUIET: u32 = 0x0040_0000;
/// The smallest normal f16, 2^-14.
const SMALLEST_NORMAL: u32 = 0x3880_0000;
/// The largest f16, 65504.
const LARGEST: u32 = 0x477f_e000;
/// Bits of a fraction that an f16 lacks.
const CUT: u32 = 0x1fff;
/// What the exponent's offsets differ by, in place.
const OFFSET: u32 = 112 << 23;
/// An f32 between 0.5 and 1 counts in steps of 2^-24, as an f16 below 2^-14 does: adding this rounds.
const ROUNDS_SUBNORMALS: f32 = 0.5;

/// Positive, rounded as if the exponents of an f16 had no end.
fn rounded_fraction(magnitude: u32) -> u32 {
    magnitude
        .wrapping_add(CUT >> 1)
        .wrapping_add(magnitude >> 13 & 1)
        & !CUT
}

/// The nearest f16, ties to even, as f32; infinite beyond its range.
#[inline(always)]
pub(super) fn round(x: u32) -> u32 {
    let sign = x & SIGN;
    let magnitude = x ^ sign;
    let subnormal = (f32::from_bits(magnitude) + ROUNDS_SUBNORMALS) - ROUNDS_SUBNORMALS;
    let normal = rounded_fraction(magnitude);
    let normal = if normal.cast_signed() > LARGEST.cast_signed() {
        INFINITY
    } else {
        normal
    };
    let number = if magnitude.cast_signed() < SMALLEST_NORMAL.cast_signed() {
        subnormal.to_bits()
    } else {
        normal
    };
    let not_a_number = magnitude & !CUT | QUIET;
    sign | if magnitude.cast_signed() > INFINITY.cast_signed() {
        not_a_number
    } else {
        number
    }
}

/// The bits of the nearest f16, ties to even; infinite beyond its range.
#[inline(always)]
pub(super) fn from_f32(x: u32) -> u32 {
    let rounded = round(x);
    let sign = rounded & SIGN;
    let magnitude = rounded ^ sign;
    let subnormal = (f32::from_bits(magnitude) + ROUNDS_SUBNORMALS)
        .to_bits()
        .wrapping_sub(ROUNDS_SUBNORMALS.to_bits());
    let normal = magnitude.wrapping_sub(OFFSET) >> 13;
    let number = if magnitude.cast_signed() < SMALLEST_NORMAL.cast_signed() {
        subnormal
    } else {
        normal
    };
    let special = magnitude >> 13 & 0x3ff | 0x7c00;
    sign >> 16
        | if magnitude.cast_signed() >= INFINITY.cast_signed() {
            special
        } else {
            number
        }
}

/// The f32 of the f16 whose bits are the low half.
#[inline(always)]
pub(super) fn to_f32(half: u32) -> u32 {
    let sign = (half & 0x8000) << 16;
    let magnitude = (half & 0x7fff) << 13;
    let fraction = half & 0x3ff;
    let subnormal =
        (f32::from_bits(fraction | ROUNDS_SUBNORMALS.to_bits()) - ROUNDS_SUBNORMALS).to_bits();
    let normal = magnitude + OFFSET;
    let number = if magnitude.cast_signed() < 1 << 23 {
        subnormal
    } else {
        normal
    };
    let special = magnitude | INFINITY | if fraction == 0 { 0 } else { QUIET };
    sign | if magnitude.cast_signed() >= 31 << 23 {
        special
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn every_f16_is_widened() {
        for bits in 0..=u16::MAX {
            let expected = f16::from_bits(bits).to_f32().to_bits();
            assert_eq!(to_f32(bits.into()), expected, "{bits:#x}");
            assert_eq!(to_f32(u32::from(bits) | 0xabcd_0000), expected, "{bits:#x}");
        }
    }

    fn check(bits: u32) {
        let half = f16::from_f32(f32::from_bits(bits));
        assert_eq!(from_f32(bits), u32::from(half.to_bits()), "{bits:#x}");
        assert_eq!(round(bits), half.to_f32().to_bits(), "{bits:#x}");
    }

    #[test]
    fn f16_values_ties_and_their_neighbours_are_narrowed() {
        for bits in 0..=u16::MAX {
            let exact = f16::from_bits(bits).to_f32().to_bits();
            let next = f16::from_bits(bits ^ 1).to_f32().to_bits();
            let tie = (f32::from_bits(exact) + f32::from_bits(next)) / 2.0;
            for centre in [exact, tie.to_bits(), exact | 0x1000] {
                for near in [-2, -1, 0, 1, 2] {
                    check(centre.wrapping_add_signed(near));
                }
            }
        }
    }

    #[test]
    fn f32_of_all_exponents_are_narrowed() {
        (0..=u32::MAX).step_by(257).for_each(check);
    }

    #[test]
    fn borders_are_where_the_format_has_them() {
        let narrowed = |x: f32| f32::from_bits(round(x.to_bits()));
        assert_eq!(narrowed(65519.99), 65504.0);
        assert_eq!(narrowed(65520.0), f32::INFINITY);
        assert_eq!(narrowed(-1e30), f32::NEG_INFINITY);
        assert_eq!(narrowed(2f32.powi(-25)), 0.0);
        assert_eq!(narrowed(2f32.powi(-25) * 1.001), 2f32.powi(-24));
        assert!(narrowed(-0.0).is_sign_negative());
        assert!(narrowed(f32::from_bits(0x7f80_0001)).is_nan());
    }
}
