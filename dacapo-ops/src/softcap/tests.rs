use super::Softcap;
use super::cpu::softcap;
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, assert_close, noise, on_devices};
use crate::simd::Isa;

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

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let softcap = Softcap::new(&bench.device).unwrap();
        for length in [1, 4095, 4097, 20_000] {
            let a = noise(3, length);
            let x = bench.f32(&[length], &a);
            bench
                .run(|encoder| softcap.encode(encoder, &x, 2.5))
                .unwrap();
            let found = bench.read::<f32>(&x);
            let exact: Vec<f64> = a
                .iter()
                .map(|&x| 2.5 * (f64::from(x) / 2.5).tanh())
                .collect();
            assert_close(&found, &exact, 1e-6, 0.0);
        }
        let x = bench.f32(&[4], &[f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::NAN]);
        bench
            .run(|encoder| softcap.encode(encoder, &x, 50.0))
            .unwrap();
        let found = bench.read::<f32>(&x);
        assert_eq!(found[..3], [50.0, -50.0, 0.0]);
        assert!(found[3].is_nan());
        let x = bench.zeros(DType::F32, &[4, 6]);
        let gaps = x.narrow(1, 0, 3).unwrap();
        bench.refuses(
            |encoder| softcap.encode(encoder, &gaps, 1.0),
            "x is F32 [4, 3] with gaps",
        );
        let ids = bench.zeros(DType::U32, &[4]);
        bench.refuses(|encoder| softcap.encode(encoder, &ids, 1.0), "x is U32 [4]");
        for cap in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            bench.refuses(
                |encoder| softcap.encode(encoder, &x, cap),
                "above 0 and finite",
            );
        }
    });
}
