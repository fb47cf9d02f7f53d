use super::{SiluMul, cpu};
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, assert_close, noise, on_devices};
use crate::simd::Isa;

fn silu_mul(isa: Isa, gate: &mut [f32], up: &[f32]) {
    let before = gate.to_vec();
    cpu::silu_mul(isa, &before, up, gate);
}

fn exactly(gate: f32, up: f32) -> f64 {
    f64::from(gate) / (1.0 + (-f64::from(gate)).exp()) * f64::from(up)
}

#[test]
fn follows_the_formula_over_odd_lengths_and_offsets() {
    for isa in Isa::available() {
        for length in ODD_LENGTHS {
            let gate: Vec<f32> = noise(1, length + 3).iter().map(|x| x * 12.0).collect();
            let up = noise(2, length + 5);
            let exact: Vec<f64> = gate[3..]
                .iter()
                .zip(&up[5..])
                .map(|(&g, &u)| exactly(g, u))
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

#[test]
fn extreme_gates_through_the_runtime() {
    on_devices(|bench| {
        let silu_mul = SiluMul::new(&bench.device).unwrap();
        let mut gates: Vec<f32> = (-1100..=1100).map(|i| i as f32 / 10.0).collect();
        gates.extend([1e30, -1e30, 0.0, f32::NEG_INFINITY, f32::INFINITY, f32::NAN]);
        let length = gates.len();
        let gate = bench.f32(&[length], &gates);
        let up = bench.f32(&[length], &vec![2.0; length]);
        let out = bench.zeros(DType::F32, &[length]);
        bench
            .run(|encoder| silu_mul.encode(encoder, &gate, &up, &out))
            .unwrap();
        let found = bench.read::<f32>(&out);
        let finite = length - 3;
        let exact: Vec<f64> = gates[..finite].iter().map(|&g| exactly(g, 2.0)).collect();
        // Below 1e-30 only the absolute error is bounded.
        assert_close(&found[..finite], &exact, 1e-6, 3e-36);
        assert_eq!(found[finite..finite + 2], [0.0, f32::INFINITY]);
        assert!(found[finite + 2].is_nan());
    });
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let silu_mul = SiluMul::new(&bench.device).unwrap();
        for length in [1, 1536, 4097, 20_000, 300_001] {
            let (a, b) = (noise(3, length), noise(4, length));
            let (gate, up) = (bench.f32(&[length], &a), bench.f32(&[length], &b));
            let out = bench.zeros(DType::F32, &[length]);
            bench
                .run(|encoder| silu_mul.encode(encoder, &gate, &up, &out))
                .unwrap();
            let exact: Vec<f64> = a.iter().zip(&b).map(|(&g, &u)| exactly(g, u)).collect();
            assert_close(&bench.read(&out), &exact, 1e-6, 0.0);
        }
        let good = bench.zeros(DType::F32, &[4, 6]);
        let out = bench.zeros(DType::F32, &[4, 6]);
        let short = bench.zeros(DType::F32, &[23]);
        let f16 = bench.zeros(DType::F16, &[4, 6]);
        bench.refuses(
            |e| silu_mul.encode(e, &f16, &good, &out),
            "gate is F16 [4, 6]",
        );
        bench.refuses(
            |e| silu_mul.encode(e, &good, &short, &out),
            "up is F32 [23]",
        );
        bench.refuses(
            |e| silu_mul.encode(e, &good, &good, &short),
            "out is F32 [23]",
        );
        bench.refuses(|e| silu_mul.encode(e, &good, &good, &good), "overlap");
    });
}
