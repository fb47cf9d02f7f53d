//! Who asks what should not be asked.

use core::cell::Cell;

use super::{Lanes, Trap};
use crate::mask::Mask;

/// The members of `mask` that the trap catches. Conversions do not look at `b`.
pub(crate) fn trapped(trap: Trap, a: Lanes<'_>, b: Lanes<'_>, mask: &Mask) -> Mask {
    match trap {
        Trap::DivI => two(a, b, mask, |a, b| {
            (b == 0) | (a == 1 << 31) & (b == u32::MAX)
        }),
        Trap::DivU => one(b, mask, |b| b == 0),
        Trap::Shift => one(b, mask, |b| b >= 32),
        Trap::FToI => one(a, mask, |a| {
            const END: f32 = 2_147_483_648.0;
            !(-END..END).contains(&f32::from_bits(a))
        }),
        Trap::FToU => one(a, mask, |a| {
            const END: f32 = 4_294_967_296.0;
            let a = f32::from_bits(a);
            !((a > -1.0) & (a < END))
        }),
    }
}

#[inline(always)]
fn one(a: Lanes<'_>, mask: &Mask, test: impl Fn(u32) -> bool) -> Mask {
    // Nearly always there is nobody: that is found out without a branch for each.
    let any = a.iter().fold(0, |any, a| any | u32::from(test(a.get())));
    caught(any, mask, |lane| {
        a.get(lane).map(Cell::get).is_some_and(&test)
    })
}

#[inline(always)]
fn two(a: Lanes<'_>, b: Lanes<'_>, mask: &Mask, test: impl Fn(u32, u32) -> bool) -> Mask {
    let pairs = a.iter().zip(b);
    let any = pairs.fold(0, |any, (a, b)| any | u32::from(test(a.get(), b.get())));
    caught(
        any,
        mask,
        |lane| matches!((a.get(lane), b.get(lane)), (Some(a), Some(b)) if test(a.get(), b.get())),
    )
}

#[inline(always)]
fn caught(any: u32, mask: &Mask, test: impl Fn(usize) -> bool) -> Mask {
    let mut caught = Mask::default();
    if any != 0 {
        mask.lanes()
            .filter(|lane| test(*lane))
            .for_each(|lane| caught.insert(lane));
    }
    caught
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Random, row};
    use super::*;

    /// By the definitions, in wider integers and in f64.
    fn should_not_be_asked(trap: Trap, a: u32, b: u32) -> bool {
        let integer_part = f64::from(f32::from_bits(a)).trunc();
        match trap {
            Trap::DivI => a.cast_signed().checked_div(b.cast_signed()).is_none(),
            Trap::DivU => a.checked_div(b).is_none(),
            Trap::Shift => a.checked_shl(b).is_none(),
            Trap::FToI => !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&integer_part),
            Trap::FToU => !(0.0..=f64::from(u32::MAX)).contains(&integer_part),
        }
    }

    const TRAPS: [Trap; 5] = [Trap::DivI, Trap::DivU, Trap::Shift, Trap::FToI, Trap::FToU];

    #[test]
    fn members_are_caught_and_nobody_else() {
        let mut random = Random::new(7);
        let borders: [f32; 10] = [
            -1.0,
            0.0,
            2147483648.0,
            4294967296.0,
            1e20,
            f32::INFINITY,
            f32::NAN,
            0.9,
            1.0,
            7.5,
        ];
        for trap in TRAPS {
            for lanes in [1, 7, 64, 100, 256, 1024] {
                let conversion = matches!(trap, Trap::FToI | Trap::FToU);
                let a = row((0..lanes).map(|_| match random.bits() % 3 {
                    0 if conversion => random.bits(),
                    _ if conversion => {
                        let near = borders[random.bits() as usize % borders.len()];
                        let near =
                            [near, near.next_up(), near.next_down()][random.bits() as usize % 3];
                        (near * if random.bits() & 1 == 0 { 1.0 } else { -1.0 }).to_bits()
                    }
                    _ => random.integer(),
                }));
                let b = row((0..lanes).map(|_| random.integer()));
                let mask = random.mask(lanes);
                let expected = Mask::of(lanes, |lane| {
                    mask.contains(lane) && should_not_be_asked(trap, a[lane].get(), b[lane].get())
                });
                assert_eq!(trapped(trap, &a, &b, &mask), expected, "{trap:?} {lanes}");
            }
        }
    }

    #[test]
    fn a_fraction_below_zero_is_no_negative_integer() {
        let a = row([-0.9f32, -1.0, 4294967040.0, 4294967296.0].map(f32::to_bits));
        assert_eq!(
            trapped(Trap::FToU, &a, &a, &Mask::first(4)),
            Mask::of(4, |lane| lane % 2 == 1)
        );
        let a =
            row([-2147483648.0f32, -2147483904.0, 2147483520.0, 2147483648.0].map(f32::to_bits));
        assert_eq!(
            trapped(Trap::FToI, &a, &a, &Mask::first(4)),
            Mask::of(4, |lane| lane % 2 == 1)
        );
    }
}
