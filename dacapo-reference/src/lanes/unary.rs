//! Operations of one element.

use super::each::{call_one, one};
use super::float::{self, wide};
use super::{Lanes, Unary, binary16, bits, exponential, packing, rounding};

const SIGNED_8: i16 = 127;
const SIGNED_16: i16 = 32767;
const UNSIGNED_8: u16 = 255;
const UNSIGNED_16: u16 = 65535;

/// `dst = op(a)`, for all elements of rows of one length, which may be the same.
pub(crate) fn unary(op: Unary, dst: Lanes<'_>, a: Lanes<'_>) {
    let float = |f: fn(f64) -> f64| call_one(dst, a, wide(f));
    match op {
        Unary::NegF => one(dst, a, |x| x ^ 1 << 31),
        Unary::NegI => one(dst, a, u32::wrapping_neg),
        Unary::Not => one(dst, a, |x| !x),
        Unary::LogicalNot => one(dst, a, |x| u32::from(x == 0)),
        Unary::AbsF => one(dst, a, |x| x & !(1 << 31)),
        Unary::AbsI => one(dst, a, |x| x.cast_signed().wrapping_abs().cast_unsigned()),
        Unary::SignF => of_float(dst, a, float::sign),
        Unary::SignI => one(dst, a, |x| x.cast_signed().signum().cast_unsigned()),
        Unary::Ceil => of_float(dst, a, rounding::ceil),
        Unary::Floor => of_float(dst, a, rounding::floor),
        Unary::Trunc => of_float(dst, a, rounding::trunc),
        Unary::Round => of_float(dst, a, rounding::nearest),
        Unary::Fract => of_float(dst, a, rounding::fract),
        Unary::ModfFract => of_float(dst, a, rounding::modf_fract),
        Unary::FrexpFract => of_float(dst, a, |x| float::fraction_and_exponent(x).0),
        Unary::FrexpExponent => from_float(dst, a, |x| {
            float::fraction_and_exponent(x).1.cast_unsigned()
        }),
        Unary::Sqrt => of_float(dst, a, f32::sqrt),
        Unary::InverseSqrt => of_float(dst, a, float::inverse_sqrt),
        Unary::Exp => of_float(dst, a, wide(exponential::exp)),
        Unary::Exp2 => of_float(dst, a, wide(exponential::exp2)),
        Unary::Log => call_one(dst, a, f32::ln),
        Unary::Log2 => call_one(dst, a, f32::log2),
        Unary::Sin => float(f64::sin),
        Unary::Cos => float(f64::cos),
        Unary::Tan => float(f64::tan),
        Unary::Asin => float(f64::asin),
        Unary::Acos => float(f64::acos),
        Unary::Atan => float(f64::atan),
        Unary::Sinh => float(f64::sinh),
        Unary::Cosh => float(f64::cosh),
        Unary::Tanh => of_float(dst, a, wide(exponential::tanh)),
        Unary::Asinh => float(f64::asinh),
        Unary::Acosh => float(f64::acosh),
        Unary::Atanh => float(f64::atanh),
        Unary::Radians => of_float(dst, a, wide(f64::to_radians)),
        Unary::Degrees => of_float(dst, a, wide(f64::to_degrees)),
        Unary::Saturate => of_float(dst, a, |x| float::clamp(x, 0.0, 1.0)),
        Unary::RoundF16 => one(dst, a, binary16::round),
        Unary::ToF16Bits => one(dst, a, binary16::from_f32),
        Unary::FromF16Bits => one(dst, a, binary16::to_f32),
        Unary::IsNan => from_float(dst, a, |x| x.is_nan().into()),
        Unary::IsInf => from_float(dst, a, |x| x.is_infinite().into()),
        Unary::FToI => from_float(dst, a, |x| (x as i32).cast_unsigned()),
        Unary::FToU => from_float(dst, a, |x| x as u32),
        Unary::IToF => to_float(dst, a, |x| x.cast_signed() as f32),
        Unary::UToF => to_float(dst, a, |x| x as f32),
        Unary::FToBool => from_float(dst, a, |x| (x != 0.0).into()),
        Unary::BitsToBool => one(dst, a, |x| (x != 0).into()),
        Unary::BoolToF => to_float(dst, a, |x| if x == 0 { 0.0 } else { 1.0 }),
        Unary::CountOneBits => one(dst, a, u32::count_ones),
        Unary::CountLeadingZeros => one(dst, a, u32::leading_zeros),
        Unary::CountTrailingZeros => one(dst, a, u32::trailing_zeros),
        Unary::ReverseBits => one(dst, a, u32::reverse_bits),
        Unary::FirstTrailingBit => one(dst, a, bits::first_trailing),
        Unary::FirstLeadingBitU => one(dst, a, bits::first_leading),
        Unary::FirstLeadingBitI => one(dst, a, bits::first_leading_signed),
        Unary::ByteI(n) => one(dst, a, |x| {
            i32::from(bits::byte(x, n).cast_signed()).cast_unsigned()
        }),
        Unary::ByteU(n) => one(dst, a, |x| bits::byte(x, n).into()),
        Unary::HalfI(n) => one(dst, a, |x| {
            i32::from(bits::half(x, n).cast_signed()).cast_unsigned()
        }),
        Unary::HalfU(n) => one(dst, a, |x| bits::half(x, n).into()),
        Unary::ToSnorm8 => from_float(dst, a, |x| {
            packing::to_signed(x, SIGNED_8).cast_unsigned() & 0xff
        }),
        Unary::ToUnorm8 => from_float(dst, a, |x| packing::to_unsigned(x, UNSIGNED_8)),
        Unary::ToSnorm16 => from_float(dst, a, |x| {
            packing::to_signed(x, SIGNED_16).cast_unsigned() & 0xffff
        }),
        Unary::ToUnorm16 => from_float(dst, a, |x| packing::to_unsigned(x, UNSIGNED_16)),
        Unary::FromSnorm8 => to_float(dst, a, |x| packing::from_signed((x as i8).into(), SIGNED_8)),
        Unary::FromUnorm8 => to_float(dst, a, |x| {
            packing::from_unsigned((x as u8).into(), UNSIGNED_8)
        }),
        Unary::FromSnorm16 => to_float(dst, a, |x| packing::from_signed(x as i16, SIGNED_16)),
        Unary::FromUnorm16 => to_float(dst, a, |x| packing::from_unsigned(x as u16, UNSIGNED_16)),
        Unary::ClampI8 => one(dst, a, |x| {
            x.cast_signed().clamp(-128, 127).cast_unsigned() & 0xff
        }),
        Unary::ClampU8 => one(dst, a, |x| x.min(0xff)),
    }
}

#[inline(always)]
fn of_float(dst: Lanes<'_>, a: Lanes<'_>, f: impl Fn(f32) -> f32) {
    one(dst, a, |x| f(f32::from_bits(x)).to_bits());
}

#[inline(always)]
fn from_float(dst: Lanes<'_>, a: Lanes<'_>, f: impl Fn(f32) -> u32) {
    one(dst, a, |x| f(f32::from_bits(x)));
}

#[inline(always)]
fn to_float(dst: Lanes<'_>, a: Lanes<'_>, f: impl Fn(u32) -> f32) {
    one(dst, a, |x| f(x).to_bits());
}
