use super::Scale;
use super::cpu::scale;
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, noise, on_devices};
use crate::simd::Isa;

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

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let scale = Scale::new(&bench.device).unwrap();
        for length in [1, 4095, 4097, 20_000] {
            let a = noise(3, length);
            let x = bench.f32(&[length], &a);
            bench.run(|encoder| scale.encode(encoder, &x, 2.5)).unwrap();
            let found = bench.read::<f32>(&x);
            assert!((0..length).all(|i| found[i] == a[i] * 2.5));
        }
        let x = bench.zeros(DType::F32, &[4, 6]);
        let gaps = x.narrow(1, 0, 3).unwrap();
        bench.refuses(
            |encoder| scale.encode(encoder, &gaps, 1.0),
            "x is F32 [4, 3] with gaps",
        );
        let ids = bench.zeros(DType::U32, &[4]);
        bench.refuses(|encoder| scale.encode(encoder, &ids, 1.0), "x is U32 [4]");
    });
}
