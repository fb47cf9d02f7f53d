//! To integers that stay floats, without branches or calls, so that loops over them become vector instructions.

/// From here on every f32 is an integer, and numbers are whole steps apart: adding it rounds.
const ALL_INTEGERS: f32 = 8_388_608.0;

#[inline(always)]
fn keep_large(x: f32, small: f32) -> f32 {
    // NaN is not smaller than anything, and stays.
    if x.abs() < ALL_INTEGERS {
        small.copysign(x)
    } else {
        x
    }
}

/// To the nearest, ties to even.
#[inline(always)]
pub(super) fn nearest(x: f32) -> f32 {
    keep_large(x, (x.abs() + ALL_INTEGERS) - ALL_INTEGERS)
}

/// Towards 0.
#[inline(always)]
pub(super) fn trunc(x: f32) -> f32 {
    let near = (x.abs() + ALL_INTEGERS) - ALL_INTEGERS;
    keep_large(x, if near > x.abs() { near - 1.0 } else { near })
}

/// Downwards.
#[inline(always)]
pub(super) fn floor(x: f32) -> f32 {
    let near = nearest(x);
    if near > x { near - 1.0 } else { near }
}

/// Upwards.
#[inline(always)]
pub(super) fn ceil(x: f32) -> f32 {
    let near = nearest(x);
    keep_large(x, if near < x { near + 1.0 } else { near })
}

/// `x - floor(x)`.
#[inline(always)]
pub(super) fn fract(x: f32) -> f32 {
    x - floor(x)
}

/// `x - trunc(x)`, of the sign of x; 0 of infinities.
#[inline(always)]
pub(super) fn modf_fract(x: f32) -> f32 {
    let fract = if x.abs() == f32::INFINITY {
        0.0
    } else {
        x - trunc(x)
    };
    fract.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> impl Iterator<Item = f32> {
        let halves = (-40..=40).map(|n| n as f32 / 4.0);
        let everywhere = (0..=u32::MAX).step_by(99_991).map(f32::from_bits);
        let borders = [
            0.0,
            0.5,
            0.499_999_97,
            8_388_607.5,
            8_388_608.0,
            8_388_609.0,
            f32::INFINITY,
        ];
        let borders = borders
            .into_iter()
            .flat_map(|x: f32| [x, -x, x.next_down(), -x.next_up()]);
        halves.chain(everywhere).chain(borders)
    }

    fn same(ours: f32, theirs: f32) -> bool {
        ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan()
    }

    #[test]
    fn they_are_those_of_the_standard_library() {
        for x in inputs() {
            assert!(same(nearest(x), x.round_ties_even()), "nearest {x:?}");
            assert!(same(trunc(x), x.trunc()), "trunc {x:?}");
            assert!(same(floor(x), x.floor()), "floor {x:?}");
            assert!(same(ceil(x), x.ceil()), "ceil {x:?}");
        }
    }

    #[test]
    fn fractions_have_signs() {
        assert_eq!(fract(-0.25), 0.75);
        assert_eq!(modf_fract(-2.25), -0.25);
        assert!(same(modf_fract(-3.0), -0.0));
        assert!(same(modf_fract(f32::NEG_INFINITY), -0.0));
        assert!(modf_fract(f32::NAN).is_nan());
    }
}
