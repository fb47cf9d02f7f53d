//! Sums, products and the like over a subgroup, in the order of lanes.

use super::{members, subgroups};
use crate::lanes::{Lanes, binary16, float};
use crate::mask::Mask;

/// How two elements become one. Those of integers wrap, and `I` without a `U` beside it is for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    AddF,
    MulF,
    /// Of f16 values; every partial sum is rounded to f16.
    AddF16,
    /// Of f16 values; every partial product is rounded to f16.
    MulF16,
    MinF,
    MaxF,
    AddI,
    MulI,
    MinI,
    MaxI,
    MinU,
    MaxU,
    And,
    Or,
    Xor,
    /// Of bools.
    All,
    /// Of bools.
    Any,
}

/// Which elements are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Those of all active lanes.
    Reduce,
    /// Those of active lanes up to and with this one.
    Inclusive,
    /// Those of active lanes before this one.
    Exclusive,
}

/// For the active lanes of each subgroup, `dst` becomes what the elements of `a` come to. `dst` may be `a`.
pub(crate) fn reduce(
    op: Reduction,
    scan: Scan,
    dst: Lanes<'_>,
    a: Lanes<'_>,
    active: &Mask,
    size: usize,
) {
    const ONE: u32 = 1f32.to_bits();
    const INFINITY: u32 = f32::INFINITY.to_bits();
    const MINUS_INFINITY: u32 = f32::NEG_INFINITY.to_bits();
    let rows = Rows {
        scan,
        dst,
        a,
        active,
        size,
    };
    match op {
        Reduction::AddF => rows.join(0, |a, b| floats(a, b, |a, b| a + b)),
        Reduction::MulF => rows.join(ONE, |a, b| floats(a, b, |a, b| a * b)),
        Reduction::AddF16 => rows.join(0, |a, b| binary16::round(floats(a, b, |a, b| a + b))),
        Reduction::MulF16 => rows.join(ONE, |a, b| binary16::round(floats(a, b, |a, b| a * b))),
        Reduction::MinF => rows.join(INFINITY, |a, b| floats(a, b, float::min)),
        Reduction::MaxF => rows.join(MINUS_INFINITY, |a, b| floats(a, b, float::max)),
        Reduction::AddI => rows.join(0, u32::wrapping_add),
        Reduction::MulI => rows.join(1, u32::wrapping_mul),
        Reduction::MinI => rows.join(i32::MAX.cast_unsigned(), |a, b| signed(a, b, Ord::min)),
        Reduction::MaxI => rows.join(i32::MIN.cast_unsigned(), |a, b| signed(a, b, Ord::max)),
        Reduction::MinU => rows.join(u32::MAX, Ord::min),
        Reduction::MaxU => rows.join(0, Ord::max),
        Reduction::And => rows.join(u32::MAX, |a, b| a & b),
        Reduction::Or => rows.join(0, |a, b| a | b),
        Reduction::Xor => rows.join(0, |a, b| a ^ b),
        Reduction::All => rows.join(1, |a, b| a & b),
        Reduction::Any => rows.join(0, |a, b| a | b),
    }
}

struct Rows<'a> {
    scan: Scan,
    dst: Lanes<'a>,
    a: Lanes<'a>,
    active: &'a Mask,
    size: usize,
}

impl Rows<'_> {
    /// `identity` is what nothing comes to.
    #[inline(always)]
    fn join(&self, identity: u32, f: impl Fn(u32, u32) -> u32) {
        for subgroup in subgroups(self.dst.len().min(self.a.len()), self.size) {
            let members = members(subgroup, self.active);
            // Not from the identity on: -0 is no sum of 0 and anything.
            let mut so_far = None;
            if self.scan == Scan::Reduce {
                for lane in members.clone() {
                    so_far = Some(self.including(lane, so_far, &f));
                }
            }
            for lane in members {
                let given = match self.scan {
                    Scan::Reduce => so_far,
                    Scan::Inclusive => {
                        so_far = Some(self.including(lane, so_far, &f));
                        so_far
                    }
                    Scan::Exclusive => so_far.replace(self.including(lane, so_far, &f)),
                };
                self.dst[lane].set(given.unwrap_or(identity));
            }
        }
    }

    #[inline(always)]
    fn including(&self, lane: usize, so_far: Option<u32>, f: impl Fn(u32, u32) -> u32) -> u32 {
        let element = self.a[lane].get();
        so_far.map_or(element, |so_far| f(so_far, element))
    }
}

#[inline(always)]
fn floats(a: u32, b: u32, f: impl Fn(f32, f32) -> f32) -> u32 {
    f(f32::from_bits(a), f32::from_bits(b)).to_bits()
}

#[inline(always)]
fn signed(a: u32, b: u32, f: impl Fn(i32, i32) -> i32) -> u32 {
    f(a.cast_signed(), b.cast_signed()).cast_unsigned()
}
