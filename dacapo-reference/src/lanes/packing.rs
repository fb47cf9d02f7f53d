//! Components of WGSL's built-in functions that pack and unpack.

/// `floor(0.5 + steps * clamp(x, low, 1))`, which is exact in f64. NaN counts as `low`, as for `max`.
#[inline(always)]
fn normalized(x: f32, low: f64, steps: f64) -> i32 {
    // A conversion cuts towards 0: what is added makes it a positive number.
    let positive = 0.5 + steps + steps * f64::from(x).max(low).min(1.0);
    positive as i32 - steps as i32
}

/// An integer from `-steps` to `steps`.
#[inline(always)]
pub(super) fn to_signed(x: f32, steps: i16) -> i32 {
    normalized(x, -1.0, steps.into())
}

/// An integer from 0 to `steps`.
#[inline(always)]
pub(super) fn to_unsigned(x: f32, steps: u16) -> u32 {
    normalized(x, 0.0, steps.into()).cast_unsigned()
}

/// From -1 to 1.
#[inline(always)]
pub(super) fn from_signed(x: i16, steps: i16) -> f32 {
    (f32::from(x) / f32::from(steps)).max(-1.0)
}

/// From 0 to 1.
#[inline(always)]
pub(super) fn from_unsigned(x: u16, steps: u16) -> f32 {
    f32::from(x) / f32::from(steps)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    const STEPS: [u16; 4] = [127, 255, 32767, 65535];

    /// `floor(0.5 + steps * clamped)` in integers: a finite f32 is a multiple of 2^-149, and what is below 2^-60 adds
    /// nothing to a floor but its sign.
    fn naive(x: f32, low: f64, steps: u16) -> i64 {
        let clamped = f64::from(x).clamp(low, 1.0);
        let scaled = (clamped * 2f64.powi(60)).floor() as i128;
        ((1i128 << 59) + scaled * i128::from(steps)).div_euclid(1 << 60) as i64
    }

    #[test]
    fn numbers_become_the_nearest_step() {
        let mut random = Random::new(5);
        for steps in STEPS {
            let ties = (0..=2 * i32::from(steps)).map(|n| n as f32 / 2.0 / f32::from(steps));
            let near = ties.flat_map(|x| [x, x.next_up(), x.next_down()]);
            let others: Vec<f32> = (0..10_000).map(|_| random.small_float() * 1.5).collect();
            let special = [1e30, f32::INFINITY, f32::MIN_POSITIVE, 0.0];
            for x in near.chain(others).chain(special).flat_map(|x| [x, -x]) {
                if let Ok(steps) = i16::try_from(steps) {
                    assert_eq!(
                        i64::from(to_signed(x, steps)),
                        naive(x, -1.0, steps.cast_unsigned()),
                        "{x:?} {steps}"
                    );
                }
                assert_eq!(
                    i64::from(to_unsigned(x, steps)),
                    naive(x, 0.0, steps),
                    "{x:?} {steps}"
                );
            }
        }
    }

    #[test]
    fn exact_ties_go_up() {
        // 0.5 * 127 = 63.5 and 0.5 * 255 = 127.5
        assert_eq!(to_signed(0.5, 127), 64);
        assert_eq!(to_signed(-0.5, 127), -63);
        assert_eq!(to_unsigned(0.5, 255), 128);
    }

    #[test]
    fn nan_is_the_lowest() {
        assert_eq!(to_signed(f32::NAN, 127), -127);
        assert_eq!(to_unsigned(f32::NAN, 65535), 0);
    }

    #[test]
    fn steps_become_numbers_and_steps_again() {
        for x in i16::MIN..=i16::MAX {
            assert_eq!(
                to_signed(from_signed(x, i16::MAX), i16::MAX),
                i32::from(x).max(-32767)
            );
            assert_eq!(
                to_unsigned(from_unsigned(x.cast_unsigned(), u16::MAX), u16::MAX),
                u32::from(x.cast_unsigned())
            );
        }
        assert_eq!(from_signed(-128, 127), -1.0);
        assert_eq!(from_signed(-127, 127), -1.0);
        assert_eq!(from_unsigned(255, 255), 1.0);
        assert_eq!(from_signed(1, 127), 1.0 / 127.0);
    }
}
