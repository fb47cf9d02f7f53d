//! Operations of two elements.

use super::each::{call_two, two};
use super::{Binary, Lanes, bits, float, integer};

/// `dst = op(a, b)`, for all elements of rows of one length, which may be the same.
pub(crate) fn binary(op: Binary, dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>) {
    match op {
        Binary::AddF => floats(dst, a, b, |a, b| a + b),
        Binary::SubF => floats(dst, a, b, |a, b| a - b),
        Binary::MulF => floats(dst, a, b, |a, b| a * b),
        Binary::DivF => floats(dst, a, b, |a, b| a / b),
        Binary::RemF => call_two(dst, a, b, |a, b| a % b),
        Binary::PowF => call_two(dst, a, b, float::power),
        Binary::Atan2 => call_two(dst, a, b, |a, b| f64::from(a).atan2(b.into()) as f32),
        Binary::MinF => floats(dst, a, b, float::min),
        Binary::MaxF => floats(dst, a, b, float::max),
        Binary::Ldexp => two(dst, a, b, |a, b| {
            float::scale(f32::from_bits(a), b.cast_signed()).to_bits()
        }),
        Binary::AddI => two(dst, a, b, u32::wrapping_add),
        Binary::SubI => two(dst, a, b, u32::wrapping_sub),
        Binary::MulI => two(dst, a, b, u32::wrapping_mul),
        Binary::DivI => two(dst, a, b, integer::divide_signed),
        Binary::DivU => two(dst, a, b, integer::divide),
        Binary::RemI => two(dst, a, b, integer::remainder_signed),
        Binary::RemU => two(dst, a, b, integer::remainder),
        Binary::MinI => signed(dst, a, b, Ord::min),
        Binary::MaxI => signed(dst, a, b, Ord::max),
        Binary::MinU => two(dst, a, b, Ord::min),
        Binary::MaxU => two(dst, a, b, Ord::max),
        Binary::And => two(dst, a, b, |a, b| a & b),
        Binary::Or => two(dst, a, b, |a, b| a | b),
        Binary::Xor => two(dst, a, b, |a, b| a ^ b),
        Binary::Shl => two(dst, a, b, u32::wrapping_shl),
        Binary::ShrI => two(dst, a, b, |a, b| {
            a.cast_signed().wrapping_shr(b).cast_unsigned()
        }),
        Binary::ShrU => two(dst, a, b, u32::wrapping_shr),
        Binary::EqF => compare_floats(dst, a, b, |a, b| a == b),
        Binary::NeF => compare_floats(dst, a, b, |a, b| a != b),
        Binary::LtF => compare_floats(dst, a, b, |a, b| a < b),
        Binary::LeF => compare_floats(dst, a, b, |a, b| a <= b),
        Binary::Eq => two(dst, a, b, |a, b| (a == b).into()),
        Binary::Ne => two(dst, a, b, |a, b| (a != b).into()),
        Binary::LtI => two(dst, a, b, |a, b| (a.cast_signed() < b.cast_signed()).into()),
        Binary::LeI => two(dst, a, b, |a, b| {
            (a.cast_signed() <= b.cast_signed()).into()
        }),
        Binary::LtU => two(dst, a, b, |a, b| (a < b).into()),
        Binary::LeU => two(dst, a, b, |a, b| (a <= b).into()),
        Binary::Dot4I8 => two(dst, a, b, bits::dot4_signed),
        Binary::Dot4U8 => two(dst, a, b, bits::dot4),
    }
}

#[inline(always)]
fn floats(dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>, f: impl Fn(f32, f32) -> f32) {
    two(dst, a, b, |a, b| {
        f(f32::from_bits(a), f32::from_bits(b)).to_bits()
    });
}

#[inline(always)]
fn signed(dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>, f: impl Fn(i32, i32) -> i32) {
    two(dst, a, b, |a, b| {
        f(a.cast_signed(), b.cast_signed()).cast_unsigned()
    });
}

#[inline(always)]
fn compare_floats(dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>, f: impl Fn(f32, f32) -> bool) {
    two(dst, a, b, |a, b| {
        f(f32::from_bits(a), f32::from_bits(b)).into()
    });
}
