use super::Add;
use super::cpu::add;
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, noise, on_devices};
use crate::simd::Isa;

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

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let add = Add::new(&bench.device).unwrap();
        for length in [1, 4095, 4096, 4097, 20_000] {
            let (a, b) = (noise(3, length), noise(4, length));
            let (x, y) = (bench.f32(&[length], &a), bench.f32(&[length], &b));
            bench.run(|encoder| add.encode(encoder, &x, &y)).unwrap();
            let found = bench.read::<f32>(&x);
            assert!((0..length).all(|i| found[i] == a[i] + b[i]));
        }
        // One row for all, shorter and longer than what a workgroup takes.
        for (rows, width) in [(1, 1), (700, 1), (3, 5), (13, 1001), (3, 5000)] {
            let (a, b) = (noise(3, rows * width), noise(4, width));
            let (x, y) = (bench.f32(&[rows, width], &a), bench.f32(&[width], &b));
            bench.run(|encoder| add.encode(encoder, &x, &y)).unwrap();
            let found = bench.read::<f32>(&x);
            assert!((0..rows * width).all(|i| found[i] == a[i] + b[i % width]));
        }
        let x = bench.zeros(DType::F32, &[4, 6]);
        for (y, found) in [
            (
                bench.zeros(DType::F32, &[24]),
                "y is F32 [24]; it must be F32 [4, 6] or [6]",
            ),
            (bench.zeros(DType::U32, &[4, 6]), "y is U32 [4, 6]"),
            (x.narrow(1, 0, 3).unwrap(), "y is F32 [4, 3] with gaps"),
            (x.clone(), "overlap"),
        ] {
            bench.refuses(|encoder| add.encode(encoder, &x, &y), found);
        }
    });
}
