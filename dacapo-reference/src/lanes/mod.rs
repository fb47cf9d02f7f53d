//! Arithmetic on rows: one element for each invocation of a workgroup.
//!
//! An element is the 32 bits of an `i32`, `u32` or `f32`; 0 or 1 of a `bool`; and for an `f16` the bits of the `f32` of
//! the same value. Operations are done for all invocations, whether they take part or not: what comes out for those that
//! do not is never looked at. They wrap, saturate or give 0 where WGSL says so, and never panic; whether they should not
//! have been asked is for [`Trap`] to say.

pub(crate) mod atomic;
pub(crate) mod collective;
pub(crate) mod matrix;

mod binary;
mod binary16;
mod bits;
mod each;
mod exponential;
mod float;
mod fused;
mod integer;
mod packing;
mod rounding;
mod ternary;
mod trap;
mod unary;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use core::cell::Cell;

pub(crate) use binary::binary;
pub(crate) use ternary::{insert_bits, ternary};
pub(crate) use trap::trapped;
pub(crate) use unary::unary;

/// Elements of all invocations.
pub(crate) type Lanes<'a> = &'a [Cell<u32>];

/// Of one element. Names end in the type that is taken: `F` f32, `I` i32, `U` u32; without, bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    NegF,
    NegI,
    Not,
    /// Of a bool.
    LogicalNot,
    AbsF,
    AbsI,
    SignF,
    SignI,
    Ceil,
    Floor,
    Trunc,
    /// To the nearest even.
    Round,
    /// `x - floor(x)`.
    Fract,
    /// `x - trunc(x)`, of the sign of x, also of infinities (0).
    ModfFract,
    FrexpFract,
    /// An i32.
    FrexpExponent,
    Sqrt,
    InverseSqrt,
    Exp,
    Exp2,
    Log,
    Log2,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Radians,
    Degrees,
    Saturate,
    /// The nearest f16, ties to even; infinite beyond its range.
    RoundF16,
    /// The bits of the nearest f16, in the low half.
    ToF16Bits,
    /// Of the f16 whose bits are the low half.
    FromF16Bits,
    IsNan,
    IsInf,
    CountOneBits,
    CountLeadingZeros,
    CountTrailingZeros,
    ReverseBits,
    FirstTrailingBit,
    FirstLeadingBitU,
    FirstLeadingBitI,
    /// Saturating, NaN gives 0.
    FToI,
    FToU,
    /// To the nearest.
    IToF,
    UToF,
    /// Whether it is not 0.
    FToBool,
    BitsToBool,
    BoolToF,
    /// Byte `n`, sign- or zero-extended.
    ByteI(u8),
    ByteU(u8),
    /// 16-bit half `n`.
    HalfI(u8),
    HalfU(u8),
    /// As WGSL's pack and unpack built-in functions take one component: an integer to a float and back; the integer in
    /// the low bits, the rest 0 when packed.
    ///
    /// NaN counts as the lowest value.
    ToSnorm8,
    ToUnorm8,
    ToSnorm16,
    ToUnorm16,
    FromSnorm8,
    FromUnorm8,
    FromSnorm16,
    FromUnorm16,
    /// Clamped to what 8 bits hold, in the low 8 bits, the rest 0.
    ClampI8,
    ClampU8,
}

/// Of two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    AddF,
    SubF,
    MulF,
    DivF,
    /// `a - b * trunc(a / b)`, as Rust's `%`.
    RemF,
    /// NaN of a negative a, as WGSL defines it by a logarithm.
    PowF,
    Atan2,
    /// Of a NaN and a number, the number.
    MinF,
    MaxF,
    /// `a * 2^b` of an f32 and an i32.
    Ldexp,
    AddI,
    SubI,
    MulI,
    /// By 0 gives the dividend.
    DivI,
    DivU,
    /// By 0 gives 0.
    RemI,
    RemU,
    MinI,
    MaxI,
    MinU,
    MaxU,
    And,
    Or,
    Xor,
    /// The shift modulo 32.
    Shl,
    ShrI,
    ShrU,
    /// Comparisons give 0 or 1.
    EqF,
    NeF,
    LtF,
    LeF,
    Eq,
    Ne,
    LtI,
    LeI,
    LtU,
    LeU,
    /// The sums of products of four bytes.
    Dot4I8,
    Dot4U8,
}

/// Of three elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ternary {
    /// With one rounding.
    Fma,
    /// Of f16 values: rounded once to f16.
    FmaF16,
    /// `min(max(a, b), c)`.
    ClampF,
    ClampI,
    ClampU,
    /// `c` chooses `b`; 0 `a`.
    Select,
    /// Offset and count as WGSL's `extractBits` clamps them.
    ExtractBitsI,
    ExtractBitsU,
}

/// What should not be asked of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trap {
    /// b is 0, or i32::MIN / -1.
    DivI,
    /// b is 0.
    DivU,
    /// b is 32 or more.
    Shift,
    /// a is NaN, or its integer part no i32.
    FToI,
    /// a is NaN, or its integer part no u32.
    FToU,
}
