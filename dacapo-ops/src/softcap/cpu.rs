//! On the CPU.

use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

/// `x[i] = cap * tanh(x[i] / cap)`, relative error below 1e-6; `cap` is positive.
pub fn softcap(isa: Isa, x: &mut [f32], cap: f32) {
    vector::dispatch(isa, Softcap(x, cap));
}

struct Softcap<'a>(&'a mut [f32], f32);

impl Kernel for Softcap<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let cap = s.splat(self.1);
        vector::map_in_place(s, self.0, |x| s.mul(cap, vector::tanh(s, s.div(x, cap))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{ODD_LENGTHS, assert_close, noise};

    #[test]
    fn follows_tanh_over_odd_lengths_and_offsets() {
        for isa in Isa::available() {
            for length in ODD_LENGTHS {
                let x: Vec<f32> = noise(1, length + 1).iter().map(|x| x * 200.0).collect();
                let exact: Vec<f64> = x[1..]
                    .iter()
                    .map(|&x| 30.0 * (f64::from(x) / 30.0).tanh())
                    .collect();
                let mut found = x.clone();
                softcap(isa, &mut found[1..], 30.0);
                assert_close(&found[1..], &exact, 1e-6, 0.0);
            }
        }
    }

    #[test]
    fn extremes_reach_the_cap_and_no_further() {
        for isa in Isa::available() {
            let mut x = [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0, f32::NAN];
            softcap(isa, &mut x, 50.0);
            assert_eq!(x[..5], [50.0, -50.0, 50.0, -50.0, 0.0]);
            assert!(x[5].is_nan());
        }
    }
}
