//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

/// `x[i] *= y[i]`; both hold the same number of elements.
pub fn mul(isa: Isa, x: &mut [f32], y: &[f32]) {
    vector::dispatch(isa, Mul(x, y));
}

struct Mul<'a>(&'a mut [f32], &'a [f32]);

impl Kernel for Mul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        vector::zip_in_place(s, self.0, self.1, |x, y| s.mul(x, y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{ODD_LENGTHS, noise};

    #[test]
    fn multiplies_over_odd_lengths_and_offsets() {
        for isa in Isa::available() {
            for length in ODD_LENGTHS {
                let (x, y) = (noise(1, length + 1), noise(2, length + 2));
                let mut found = x.clone();
                mul(isa, &mut found[1..], &y[2..]);
                assert_eq!(found[0], x[0]);
                for i in 0..length {
                    assert_eq!(found[i + 1], x[i + 1] * y[i + 2]);
                }
            }
        }
    }
}
