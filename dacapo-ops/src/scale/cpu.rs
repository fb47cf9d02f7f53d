//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

/// `x[i] *= factor`.
pub fn scale(isa: Isa, x: &mut [f32], factor: f32) {
    vector::dispatch(isa, Scale(x, factor));
}

struct Scale<'a>(&'a mut [f32], f32);

impl Kernel for Scale<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.1);
        vector::map_in_place(s, self.0, |x| s.mul(x, factor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{ODD_LENGTHS, noise};

    #[test]
    fn scales_over_odd_lengths_and_offsets() {
        for isa in Isa::available() {
            for length in ODD_LENGTHS {
                let x = noise(1, length + 1);
                let mut found = x.clone();
                scale(isa, &mut found[1..], 24.0);
                assert_eq!(found[0], x[0]);
                assert!((1..=length).all(|i| found[i] == x[i] * 24.0));
            }
        }
    }
}
