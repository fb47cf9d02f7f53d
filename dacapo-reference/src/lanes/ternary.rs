//! Operations of three elements, and one of four.

use super::each::three;
use super::{Lanes, Ternary, bits, float, fused};

/// `dst = op(a, b, c)`, for all elements of rows of one length, which may be the same.
pub(crate) fn ternary(op: Ternary, dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>, c: Lanes<'_>) {
    let rows = [a, b, c];
    match op {
        Ternary::Fma => floats(dst, rows, |a, b, c| fused::multiply_add(a, b, c).to_bits()),
        Ternary::FmaF16 => floats(dst, rows, fused::multiply_add_f16),
        Ternary::ClampF => floats(dst, rows, |a, b, c| float::clamp(a, b, c).to_bits()),
        Ternary::ClampI => three(dst, rows, |a, b, c| {
            a.cast_signed()
                .max(b.cast_signed())
                .min(c.cast_signed())
                .cast_unsigned()
        }),
        Ternary::ClampU => three(dst, rows, |a, b, c| a.max(b).min(c)),
        Ternary::Select => three(dst, rows, |a, b, c| if c == 0 { a } else { b }),
        Ternary::ExtractBitsI => three(dst, rows, bits::extract_signed),
        Ternary::ExtractBitsU => three(dst, rows, bits::extract),
    }
}

/// `e` with `count` bits of `new` from bit `offset` on, both clamped as WGSL's `insertBits` does.
pub(crate) fn insert_bits(
    dst: Lanes<'_>,
    e: Lanes<'_>,
    new: Lanes<'_>,
    offset: Lanes<'_>,
    count: Lanes<'_>,
) {
    let inputs = e.iter().zip(new).zip(offset.iter().zip(count));
    for (dst, ((e, new), (offset, count))) in dst.iter().zip(inputs) {
        dst.set(bits::insert(e.get(), new.get(), offset.get(), count.get()));
    }
}

#[inline(always)]
fn floats(dst: Lanes<'_>, rows: [Lanes<'_>; 3], f: impl Fn(f32, f32, f32) -> u32) {
    three(dst, rows, |a, b, c| {
        f(f32::from_bits(a), f32::from_bits(b), f32::from_bits(c))
    });
}
