use super::TopK;
use super::cpu::top_k;
use crate::dtype::DType;
use crate::reference::{noise, on_devices};
use crate::simd::Isa;

fn check(row: &[f32], k: usize) {
    let mut order: Vec<usize> = (0..row.len()).filter(|&i| !row[i].is_nan()).collect();
    // Stable: lower indices stay first among equals.
    order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).unwrap());
    order.truncate(k);
    for isa in Isa::available() {
        let (mut values, mut ids) = (vec![0.0; k], vec![0; k]);
        let found = top_k(isa, row, &mut values, &mut ids);
        assert_eq!(found, order.len());
        assert!(
            order.iter().zip(&ids).all(|(&i, &id)| i == id as usize),
            "{isa:?} {k}"
        );
        assert!(
            order
                .iter()
                .zip(&values)
                .all(|(&i, &value)| row[i] == value)
        );
    }
}

#[test]
fn agrees_with_a_full_sort() {
    for length in [1, 5, 63, 64, 65, 200, 4097] {
        let row = noise(9, length + 1);
        for k in [0, 1, 2, 7, 40, 64, 1000] {
            check(&row[1..], k.min(length));
        }
    }
    check(&noise(3, 151_937), 40);
}

#[test]
fn ties_order_and_nan() {
    let coarse: Vec<f32> = noise(4, 3000).iter().map(|x| (x * 5.0).round()).collect();
    let rising: Vec<f32> = (0..3000).map(|i| i as f32).collect();
    let falling: Vec<f32> = (0..3000).map(|i| -(i as f32)).collect();
    let mut holes = coarse.clone();
    holes.iter_mut().step_by(3).for_each(|x| *x = f32::NAN);
    for row in [
        &coarse,
        &rising,
        &falling,
        &holes,
        &vec![1.0; 3000],
        &vec![f32::NEG_INFINITY; 3000],
    ] {
        for k in [1, 40, 999] {
            check(row, k);
        }
    }
    check(&[f32::NAN, 1.0, f32::NAN], 3);
    check(&[f32::NAN; 70], 3);
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let op = TopK::new(&bench.device).unwrap();
        let rows = [1.0, 5.0, 3.0, 5.0, f32::NAN, 0.0, f32::NAN, f32::NAN];
        let logits = bench.f32(&[2, 4], &rows);
        let (values, ids) = (
            bench.zeros(DType::F32, &[2, 3]),
            bench.zeros(DType::U32, &[2, 3]),
        );
        bench
            .run(|encoder| op.encode(encoder, &logits, &values, &ids))
            .unwrap();
        let none = f32::NEG_INFINITY;
        assert_eq!(bench.read::<f32>(&values), [5.0, 5.0, 3.0, 0.0, none, none]);
        assert_eq!(bench.read::<u32>(&ids), [1, 3, 2, 1, u32::MAX, u32::MAX]);

        let flat = bench.zeros(DType::F32, &[8]);
        bench.refuses(|e| op.encode(e, &flat, &values, &ids), "logits is F32 [8]");
        bench.refuses(|e| op.encode(e, &logits, &flat, &ids), "values is F32 [8]");
        bench.refuses(
            |e| op.encode(e, &logits, &values, &values),
            "ids is F32 [2, 3]",
        );
    });
}

#[test]
fn every_device_agrees_with_a_full_sort() {
    on_devices(|bench| {
        let op = TopK::new(&bench.device).unwrap();
        for (rows, width) in [
            (3, 1),
            (70, 63),
            (3, 64),
            (2, 4097),
            (1, 4096),
            (1, 151_936),
        ] {
            // Rows with equals, with holes, with nothing but equals, and of different values.
            let mut values = noise(10, rows * width);
            for (i, x) in values.iter_mut().enumerate() {
                match i / width % 4 {
                    0 => *x = (*x * 20.0).round(),
                    1 if i % 3 > 0 => *x = f32::NAN,
                    2 => *x = -2.0,
                    _ => {}
                }
            }
            for k in [1, 40, 64, 1000, 1024, 1025, 4096] {
                if k > width {
                    continue;
                }
                let logits = bench.f32(&[rows, width], &values);
                let found = bench.zeros(DType::F32, &[rows, k]);
                let ids = bench.zeros(DType::U32, &[rows, k]);
                bench.run(|e| op.encode(e, &logits, &found, &ids)).unwrap();
                let (found, ids) = (bench.read::<f32>(&found), bench.read::<u32>(&ids));
                for (r, row) in values.chunks(width).enumerate() {
                    let mut order: Vec<u32> = (0..width as u32).collect();
                    order.retain(|&i| !row[i as usize].is_nan());
                    order.sort_by(|&a, &b| row[b as usize].partial_cmp(&row[a as usize]).unwrap());
                    order.resize(order.len().max(k), u32::MAX);
                    assert_eq!(ids[r * k..][..k], order[..k], "row {r} of {width}, k {k}");
                    for (&id, &value) in order.iter().zip(&found[r * k..][..k]) {
                        let want = row.get(id as usize).copied();
                        assert_eq!(value, want.unwrap_or(f32::NEG_INFINITY));
                    }
                }
            }
        }
    });
}
