//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

/// `x[i] += y[i]`; both hold the same number of elements.
pub fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    vector::dispatch(isa, Add(x, y));
}

struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        vector::zip_in_place(s, self.0, self.1, |x, y| s.add(x, y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{ODD_LENGTHS, noise};

    #[test]
    fn adds_over_odd_lengths_and_offsets() {
        for isa in Isa::available() {
            for length in ODD_LENGTHS {
                let (x, y) = (noise(1, length + 1), noise(2, length + 2));
                let mut found = x.clone();
                add(isa, &mut found[1..], &y[2..]);
                assert_eq!(found[0], x[0]);
                for i in 0..length {
                    assert_eq!(found[i + 1], x[i + 1] + y[i + 2]);
                }
            }
        }
    }

    #[test]
    fn extremes_follow_ieee_754() {
        for isa in Isa::available() {
            let mut x = [f32::MAX, f32::INFINITY, 1e-45, f32::INFINITY];
            add(isa, &mut x, &[f32::MAX, 1.0, 1e-45, f32::NEG_INFINITY]);
            assert_eq!(x[..3], [f32::INFINITY, f32::INFINITY, 3e-45]);
            assert!(x[3].is_nan());
        }
    }
}
