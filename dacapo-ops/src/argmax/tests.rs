use super::Argmax;
use super::cpu::argmax;
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, noise, on_devices};
use crate::simd::Isa;

#[test]
fn the_greatest_wins_wherever_it_is() {
    for isa in Isa::available() {
        for length in ODD_LENGTHS {
            for at in (0..length).step_by(1 + length / 50) {
                let mut row = noise(1, length + 1);
                row[at + 1] = 2.0;
                assert_eq!(argmax(isa, &row[1..]), Some(at as u32));
            }
        }
    }
}

#[test]
fn ties_nan_and_infinities() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for isa in Isa::available() {
        let mut long = vec![-inf; 1000];
        assert_eq!(argmax(isa, &long), Some(0));
        long[0] = nan;
        assert_eq!(argmax(isa, &long), Some(1));
        (long[555], long[777]) = (-1e30, -1e30);
        assert_eq!(argmax(isa, &long), Some(555));
        assert_eq!(argmax(isa, &[1.0, nan, 3.0, 3.0, nan]), Some(2));
        assert_eq!(argmax(isa, &[0.0, -0.0]), Some(0));
        assert_eq!(argmax(isa, &[1.0, inf, 3.0, inf]), Some(1));
        assert_eq!(argmax(isa, &[nan; 40]), None);
        assert_eq!(argmax(isa, &[]), None);
    }
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let op = Argmax::new(&bench.device).unwrap();
        let mut values = noise(5, 3 * 1001);
        (values[500], values[1001], values[3002]) = (2.0, 2.0, 2.0);
        let logits = bench.f32(&[3, 1001], &values);
        let ids = bench.zeros(DType::U32, &[3]);
        bench
            .run(|encoder| op.encode(encoder, &logits, &ids))
            .unwrap();
        assert_eq!(bench.read::<u32>(&ids), [500, 0, 1000]);

        let nan = bench.f32(
            &[2, 4],
            &[1.0, 2.0, 3.0, 4.0, f32::NAN, f32::NAN, f32::NAN, f32::NAN],
        );
        let two = bench.zeros(DType::U32, &[2]);
        if bench.device.gpu().is_some() {
            bench.run(|e| op.encode(e, &nan, &two)).unwrap();
            assert_eq!(bench.read::<u32>(&two), [3, u32::MAX]);
        } else {
            bench.refuses(
                |e| op.encode(e, &nan, &two),
                "all 4 logits of row 1 are NaN",
            );
        }
        bench.refuses(
            |e| op.encode(e, &nan, &ids),
            "ids is U32 [3]; it must be U32 [2]",
        );
        bench.refuses(|e| op.encode(e, &ids, &two), "logits is U32 [3]");
    });
}

#[test]
fn every_device_agrees_with_a_plain_loop() {
    let plain = |row: &[f32]| {
        let better = |best: usize, i: usize| row[i] > row[best] || row[best].is_nan();
        (0..row.len()).fold(0, |best, i| if better(best, i) { i } else { best }) as u32
    };
    on_devices(|bench| {
        let op = Argmax::new(&bench.device).unwrap();
        for width in ODD_LENGTHS.into_iter().chain([4096, 49_152, 151_937]) {
            let rows = if width > 5000 { 2 } else { 37 };
            // Coarse values, so that there are equals; some rows with infinities, NaN, both zeros, subnormals.
            let mut values = noise(6, rows * width);
            for (i, x) in values.iter_mut().enumerate() {
                *x = (*x * 40.0).round();
                match (i / width % 7, i % 5) {
                    (1, 1 | 3) if i % width > 0 => *x = f32::NAN,
                    (2, _) => *x = f32::NEG_INFINITY,
                    (3, _) => *x = if i % 3 == 0 { 0.0 } else { -0.0 },
                    (4, _) => *x *= 1e-42,
                    (5, 2) => *x = f32::INFINITY,
                    (6, _) => *x = -x.abs() - 1.0,
                    _ => {}
                }
            }
            let logits = bench.f32(&[rows, width], &values);
            let ids = bench.zeros(DType::U32, &[rows]);
            bench.run(|e| op.encode(e, &logits, &ids)).unwrap();
            let want: Vec<u32> = values.chunks(width).map(plain).collect();
            assert_eq!(bench.read::<u32>(&ids), want, "width {width}");
        }
    });
}
