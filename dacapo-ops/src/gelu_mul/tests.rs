use super::{Form, GeluMul, cpu};
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, assert_close, noise, on_devices};
use crate::simd::Isa;

fn gelu_mul(isa: Isa, form: Form, gate: &mut [f32], up: &[f32]) {
    let before = gate.to_vec();
    cpu::gelu_mul(isa, form, &before, up, gate);
}

/// x, both forms of gelu(x), computed with mpmath at 30 digits.
const KNOWN: [(f32, f64, f64); 5] = [
    (
        -3.0,
        -0.003_637_392_081_773_018_8,
        -0.004_049_694_094_890_283_6,
    ),
    (-1.0, -0.158_808_009_391_723_3, -0.158_655_253_931_457_05),
    (0.0, 0.0, 0.0),
    (0.5, 0.345_714_009_825_143_92, 0.345_731_230_637_006_55),
    (2.0, 1.954_597_694_087_775, 1.954_499_736_103_641_6),
];

#[test]
fn known_values_of_both_forms() {
    for isa in Isa::available() {
        let (mut tanh, mut erf) = (KNOWN.map(|k| k.0), KNOWN.map(|k| k.0));
        gelu_mul(isa, Form::Tanh, &mut tanh, &[1.0; 5]);
        gelu_mul(isa, Form::Erf, &mut erf, &[1.0; 5]);
        assert_close(&tanh, &KNOWN.map(|k| k.1), 2e-6, 0.0);
        assert_close(&erf, &KNOWN.map(|k| k.2), 2e-6, 0.0);
    }
}

fn by_tanh(gate: f32, up: f32) -> f64 {
    let x = f64::from(gate);
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    x / (1.0 + (-2.0 * inner).exp()) * f64::from(up)
}

#[test]
fn follows_the_tanh_formula_over_odd_lengths() {
    for isa in Isa::available() {
        for length in ODD_LENGTHS {
            let gate: Vec<f32> = noise(3, length + 1).iter().map(|x| x * 5.0).collect();
            let up = noise(4, length + 2);
            let exact: Vec<f64> = gate[1..]
                .iter()
                .zip(&up[2..])
                .map(|(&x, &u)| by_tanh(x, u))
                .collect();
            let mut found = gate[1..].to_vec();
            gelu_mul(isa, Form::Tanh, &mut found, &up[2..]);
            assert_close(&found, &exact, 1e-5, 0.0);
        }
    }
}

#[test]
fn extreme_gates() {
    for isa in Isa::available() {
        for form in [Form::Tanh, Form::Erf] {
            let mut gate = [
                1e30,
                -1e30,
                0.0,
                f32::NEG_INFINITY,
                1e-40,
                f32::INFINITY,
                f32::NAN,
            ];
            gelu_mul(isa, form, &mut gate, &[1.0; 7]);
            assert_close(&gate[..5], &[1e30, 0.0, 0.0, 0.0, 0.5e-40], 1e-6, 1e-44);
            assert_eq!(gate[5], f32::INFINITY);
            assert!(gate[6].is_nan());
        }
    }
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let gelu_mul = GeluMul::new(&bench.device).unwrap();
        for length in [1, 1536, 4097, 20_000] {
            let gates: Vec<f32> = noise(3, length).iter().map(|x| x * 12.0).collect();
            let ups = noise(4, length);
            let (gate, up) = (bench.f32(&[length], &gates), bench.f32(&[length], &ups));
            for form in [Form::Tanh, Form::Erf] {
                let out = bench.zeros(DType::F32, &[length]);
                bench
                    .run(|encoder| gelu_mul.encode(encoder, form, &gate, &up, &out))
                    .unwrap();
                // The portable form, itself checked against f64 above and in `vector`, within 2e-5.
                let mut expected = vec![0.0; length];
                cpu::gelu_mul(Isa::PORTABLE, form, &gates, &ups, &mut expected);
                let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
                assert_close(&bench.read(&out), &expected, 4e-5, 1e-30);
                if form == Form::Tanh {
                    let exact: Vec<f64> = gates
                        .iter()
                        .zip(&ups)
                        .map(|(&x, &u)| by_tanh(x, u))
                        .collect();
                    assert_close(&bench.read(&out), &exact, 2e-5, 1e-30);
                }
            }
        }
        for (form, exact) in [
            (Form::Tanh, KNOWN.map(|k| k.1)),
            (Form::Erf, KNOWN.map(|k| k.2)),
        ] {
            let gate = bench.f32(&[5], &KNOWN.map(|k| k.0));
            let up = bench.f32(&[5], &[1.0; 5]);
            let out = bench.zeros(DType::F32, &[5]);
            bench
                .run(|encoder| gelu_mul.encode(encoder, form, &gate, &up, &out))
                .unwrap();
            assert_close(&bench.read(&out), &exact, 2e-6, 0.0);

            let extremes = [f32::NEG_INFINITY, -1e30, f32::INFINITY, f32::NAN];
            let gate = bench.f32(&[4], &extremes);
            let up = bench.f32(&[4], &[1.0; 4]);
            let out = bench.zeros(DType::F32, &[4]);
            bench
                .run(|encoder| gelu_mul.encode(encoder, form, &gate, &up, &out))
                .unwrap();
            let found = bench.read::<f32>(&out);
            assert_eq!(found[..3], [0.0, 0.0, f32::INFINITY]);
            assert!(found[3].is_nan());
        }
        let good = bench.zeros(DType::F32, &[4, 6]);
        let out = bench.zeros(DType::F32, &[4, 6]);
        let short = bench.zeros(DType::F32, &[23]);
        let f16 = bench.zeros(DType::F16, &[4, 6]);
        bench.refuses(
            |e| gelu_mul.encode(e, Form::Erf, &f16, &good, &out),
            "gate is F16 [4, 6]",
        );
        bench.refuses(
            |e| gelu_mul.encode(e, Form::Erf, &good, &short, &out),
            "up is F32 [23]",
        );
        bench.refuses(
            |e| gelu_mul.encode(e, Form::Erf, &good, &good, &short),
            "out is F32 [23]",
        );
        bench.refuses(
            |e| gelu_mul.encode(e, Form::Erf, &good, &good, &good),
            "overlap",
        );
    });
}
