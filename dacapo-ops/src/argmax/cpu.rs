//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

/// Index of the greatest element, the lowest one among equals; NaN is passed over, and a row of nothing
/// but NaN (or an empty one) has none.
pub(crate) fn argmax(isa: Isa, row: &[f32]) -> Option<u32> {
    vector::dispatch(isa, Argmax(row))
}

struct Argmax<'a>(&'a [f32]);

impl Kernel for Argmax<'_> {
    type Output = Option<u32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Option<u32> {
        // Finding the value first and its place after is two short loops that vectorise.
        let max = vector::max_of(s, self.0);
        let block = self
            .0
            .chunks(LANES * 16)
            .position(|block| block.iter().fold(false, |found, &x| found | (x == max)))?;
        let start = block * LANES * 16;
        let within = self.0[start..].iter().position(|&x| x == max)?;
        u32::try_from(start + within).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{ODD_LENGTHS, noise};

    #[test]
    fn the_greatest_wins_wherever_it_is() {
        for isa in Isa::available() {
            for length in ODD_LENGTHS {
                for at in (0..length).step_by(1 + length / 50) {
                    let mut row = noise(1, length + 1);
                    row[at + 1] = 2.0;
                    assert_eq!(argmax(isa, &row[1..]), Some(at as u32));
                }
            }
        }
    }

    #[test]
    fn ties_nan_and_infinities() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for isa in Isa::available() {
            let mut long = vec![-inf; 1000];
            assert_eq!(argmax(isa, &long), Some(0));
            long[0] = nan;
            assert_eq!(argmax(isa, &long), Some(1));
            (long[555], long[777]) = (-1e30, -1e30);
            assert_eq!(argmax(isa, &long), Some(555));
            assert_eq!(argmax(isa, &[1.0, nan, 3.0, 3.0, nan]), Some(2));
            assert_eq!(argmax(isa, &[0.0, -0.0]), Some(0));
            assert_eq!(argmax(isa, &[1.0, inf, 3.0, inf]), Some(1));
            assert_eq!(argmax(isa, &[nan; 40]), None);
            assert_eq!(argmax(isa, &[]), None);
        }
    }
}
