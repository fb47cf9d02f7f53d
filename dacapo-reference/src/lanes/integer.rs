//! Division of integers where it has no result: WGSL gives the dividend, and 0 for the remainder.

/// Of i32.
pub(super) fn divide_signed(a: u32, b: u32) -> u32 {
    match b.cast_signed() {
        0 => a,
        b => a.cast_signed().wrapping_div(b).cast_unsigned(),
    }
}

/// Of i32.
pub(super) fn remainder_signed(a: u32, b: u32) -> u32 {
    match b.cast_signed() {
        0 => 0,
        b => a.cast_signed().wrapping_rem(b).cast_unsigned(),
    }
}

/// Of u32.
pub(super) fn divide(a: u32, b: u32) -> u32 {
    a.checked_div(b).unwrap_or(a)
}

/// Of u32.
pub(super) fn remainder(a: u32, b: u32) -> u32 {
    a.checked_rem(b).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_result_has_that_of_the_specification() {
        let min = i32::MIN.cast_unsigned();
        let minus_one = u32::MAX;
        assert_eq!((divide_signed(7, 0), remainder_signed(7, 0)), (7, 0));
        assert_eq!(
            (
                divide_signed(min, minus_one),
                remainder_signed(min, minus_one)
            ),
            (min, 0)
        );
        assert_eq!((divide(7, 0), remainder(7, 0)), (7, 0));
        assert_eq!(divide_signed(-7i32 as u32, 2).cast_signed(), -3);
        assert_eq!(remainder_signed(-7i32 as u32, 2).cast_signed(), -1);
        assert_eq!(
            (divide(minus_one, 2), remainder(minus_one, 10)),
            (0x7fff_ffff, 5)
        );
    }
}
