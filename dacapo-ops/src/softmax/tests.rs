use super::Softmax;
use super::cpu::softmax;
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, assert_close, noise, on_devices};
use crate::simd::Isa;

fn exactly(row: &[f32]) -> Vec<f64> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f64> = row
        .iter()
        .map(|&x| (f64::from(x) - f64::from(max)).exp())
        .collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

#[test]
fn follows_f64_over_odd_lengths_offsets_and_a_vocabulary() {
    for isa in Isa::available() {
        for length in ODD_LENGTHS.into_iter().chain([49_152, 151_937]) {
            let row: Vec<f32> = noise(7, length + 3).iter().map(|x| x * 30.0).collect();
            let mut found = row.clone();
            softmax(isa, &mut found[3..]);
            assert_close(&found[3..], &exactly(&row[3..]), 5e-6, 0.0);
            assert_eq!(found[..3], row[..3]);
        }
    }
}

#[test]
fn extreme_rows() {
    for isa in Isa::available() {
        for value in [0.0, 1e30, -1e30, 1e-42] {
            let mut equal = [value; 37];
            softmax(isa, &mut equal);
            assert_close(&equal, &[1.0 / 37.0; 37], 1e-7, 0.0);
        }
        let mut masked = [f32::NEG_INFINITY, 3.0, f32::NEG_INFINITY, 3.0];
        softmax(isa, &mut masked);
        assert_eq!(masked, [0.0, 0.5, 0.0, 0.5]);
        let mut infinite = [f32::INFINITY, 3.0, f32::NEG_INFINITY, f32::INFINITY];
        softmax(isa, &mut infinite);
        assert_eq!(infinite, [0.5, 0.0, 0.0, 0.5]);
        for mut hopeless in [[f32::NAN, 1.0], [f32::NEG_INFINITY; 2]] {
            softmax(isa, &mut hopeless);
            assert!(hopeless.iter().all(|x| x.is_nan()), "{hopeless:?}");
        }
    }
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let op = Softmax::new(&bench.device).unwrap();
        for (rows, width) in [(1, 1000), (7, 33), (3, 1), (300, 5), (2, 151_937)] {
            let row: Vec<f32> = noise(8, rows * width).iter().map(|x| x * 30.0).collect();
            let x = bench.f32(&[rows, width], &row);
            bench.run(|encoder| op.encode(encoder, &x)).unwrap();
            let exact: Vec<f64> = row.chunks(width).flat_map(exactly).collect();
            assert_close(&bench.read(&x), &exact, 5e-6, 0.0);
        }
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let extreme = [
            [-inf, 3.0, -inf, 3.0, -3e38],
            [inf, 3.0, -inf, inf, 1.0],
            [-1e30, -1e30, -inf, -1e30, -1e30],
            [1e-42; 5],
            [nan, 1.0, 2.0, inf, -inf],
            [-inf; 5],
            [3e38, -3e38, 0.0, -0.0, 1.0],
        ];
        let x = bench.f32(&[7, 5], extreme.as_flattened());
        bench.run(|encoder| op.encode(encoder, &x)).unwrap();
        let found = bench.read::<f32>(&x);
        let half = [0.0, 0.5, 0.0, 0.5, 0.0];
        assert_close(&found[..5], &half, 1e-7, 0.0);
        assert_close(&found[5..10], &[0.5, 0.0, 0.0, 0.5, 0.0], 1e-7, 0.0);
        assert_close(&found[10..15], &[0.25, 0.25, 0.0, 0.25, 0.25], 1e-7, 0.0);
        assert_close(&found[15..20], &[0.2; 5], 1e-7, 0.0);
        assert!(found[20..30].iter().all(|x| x.is_nan()), "{found:?}");
        assert_close(&found[30..], &[1.0, 0.0, 0.0, 0.0, 0.0], 1e-7, 0.0);

        let f16 = bench.zeros(DType::F16, &[3, 8]);
        bench.refuses(
            |encoder| op.encode(encoder, &f16),
            "x is F16 [3, 8]; it must be F32",
        );
    });
}
