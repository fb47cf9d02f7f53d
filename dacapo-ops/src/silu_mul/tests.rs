use super::cpu::silu_mul;
use crate::reference::{ODD_LENGTHS, assert_close, noise};
use crate::simd::Isa;

#[test]
fn follows_the_formula_over_odd_lengths_and_offsets() {
    for isa in Isa::available() {
        for length in ODD_LENGTHS {
            let gate: Vec<f32> = noise(1, length + 3).iter().map(|x| x * 12.0).collect();
            let up = noise(2, length + 5);
            let exact: Vec<f64> = gate[3..]
                .iter()
                .zip(&up[5..])
                .map(|(&g, &u)| f64::from(g) / (1.0 + (-f64::from(g)).exp()) * f64::from(u))
                .collect();
            let mut found = gate.clone();
            silu_mul(isa, &mut found[3..], &up[5..]);
            assert_close(&found[3..], &exact, 1e-6, 0.0);
            assert_eq!(found[..3], gate[..3]);
        }
    }
}

#[test]
fn extreme_gates() {
    for isa in Isa::available() {
        let mut gate = [
            1e30,
            -1e30,
            1e-40,
            -1e-40,
            0.0,
            f32::NEG_INFINITY,
            f32::INFINITY,
        ];
        silu_mul(isa, &mut gate, &[2.0; 7]);
        assert_close(
            &gate[..6],
            &[2e30, 0.0, 1e-40, -1e-40, 0.0, 0.0],
            1e-6,
            1e-44,
        );
        assert_eq!(gate[6], f32::INFINITY);
        let mut gate = [f32::NAN];
        silu_mul(isa, &mut gate, &[2.0]);
        assert!(gate[0].is_nan());
    }
}
