use super::RmsNorm;
use super::cpu::{add_rms_norm, rms_norm, rms_norm_in_place, rms_norm_unweighted};
use crate::dtype::DType;
use crate::reference::{ODD_LENGTHS, assert_close, noise, on_devices};
use crate::simd::Isa;

pub(crate) fn exactly(x: &[f32], weight: &[f32], eps: f32) -> Vec<f64> {
    x.chunks(weight.len())
        .flat_map(|row| {
            let squares: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
            let norm = (squares / row.len() as f64 + f64::from(eps)).sqrt();
            row.iter()
                .zip(weight)
                .map(move |(&x, &w)| f64::from(x) / norm * f64::from(w))
        })
        .collect()
}

#[test]
fn follows_f64_over_odd_widths_rows_and_offsets() {
    for isa in Isa::available() {
        for width in ODD_LENGTHS {
            for rows in [1, 3] {
                let x = noise(1, rows * width + 1);
                let weight = noise(2, width + 2);
                let (x, weight) = (&x[1..], &weight[2..]);
                let exact = exactly(x, weight, 1e-5);
                let mut out = vec![9.0; rows * width + 3];
                rms_norm(isa, x, weight, 1e-5, &mut out[3..]);
                assert_eq!(out[..3], [9.0; 3]);
                assert_close(&out[3..], &exact, 5e-7, 0.0);
                rms_norm_unweighted(isa, x, width, 1e-5, &mut out[3..]);
                assert_eq!(out[..3], [9.0; 3]);
                assert_close(&out[3..], &exactly(x, &vec![1.0; width], 1e-5), 5e-7, 0.0);
                let mut in_place = x.to_vec();
                rms_norm_in_place(isa, &mut in_place, weight, 1e-5);
                assert_close(&in_place, &exact, 5e-7, 0.0);
            }
        }
    }
}

#[test]
fn the_residual_is_added_and_kept() {
    for isa in Isa::available() {
        for width in ODD_LENGTHS {
            let (h, x, weight) = (noise(1, 2 * width), noise(2, 2 * width), noise(3, width));
            let sum: Vec<f32> = h.iter().zip(&x).map(|(h, x)| h + x).collect();
            let (mut found, mut out) = (h.clone(), vec![0.0; 2 * width]);
            add_rms_norm(isa, &mut found, &x, &weight, 1e-6, &mut out);
            assert_eq!(found, sum);
            assert_close(&out, &exactly(&sum, &weight, 1e-6), 5e-7, 0.0);
        }
    }
}

#[test]
fn extreme_rows() {
    for isa in Isa::available() {
        for value in [3e38, 1e20, 1e-3, 1e-30, 1e-42, 0.0] {
            let x = [value; 67];
            let mut out = [0.0; 67];
            rms_norm(isa, &x, &[0.5; 67], 1e-5, &mut out);
            assert_close(&out, &exactly(&x, &[0.5; 67], 1e-5), 5e-7, 1e-44);
        }
    }
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let norm = RmsNorm::new(&bench.device).unwrap();
        for (rows, width) in [
            (1, 576),
            (5, 576),
            (37, 64),
            (200, 33),
            (2, 5000),
            (65, 1),
            (3, 2),
            (33, 128),
            (2, 1026),
            (3, 8192),
        ] {
            let (a, b, w) = (
                noise(1, rows * width),
                noise(2, rows * width),
                noise(3, width),
            );
            let (x, h) = (bench.f32(&[rows, width], &a), bench.f32(&[rows, width], &b));
            let weight = bench.f32(&[width], &w);
            let out = bench.zeros(DType::F32, &[rows, width]);
            bench
                .run(|encoder| norm.encode(encoder, &x, &weight, 1e-5, &out))
                .unwrap();
            assert_close(&bench.read(&out), &exactly(&a, &w, 1e-5), 5e-7, 0.0);

            bench
                .run(|encoder| norm.encode_unweighted(encoder, &x, 1e-5, &out))
                .unwrap();
            let exact = exactly(&a, &vec![1.0; width], 1e-5);
            assert_close(&bench.read(&out), &exact, 5e-7, 0.0);

            bench
                .run(|encoder| norm.encode_residual(encoder, &h, &x, &weight, 1e-5, &out))
                .unwrap();
            let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            assert_eq!(bench.read::<f32>(&h), sum);
            assert_close(&bench.read(&out), &exactly(&sum, &w, 1e-5), 5e-7, 0.0);

            bench
                .run(|encoder| norm.encode_heads(encoder, &x, &weight, 1e-5))
                .unwrap();
            assert_close(&bench.read(&x), &exactly(&a, &w, 1e-5), 5e-7, 0.0);
        }
    });
}

#[test]
fn extreme_rows_through_the_runtime() {
    on_devices(|bench| {
        let norm = RmsNorm::new(&bench.device).unwrap();
        // GPUs may take subnormal numbers as 0.
        let least = match bench.device.gpu() {
            None => 1e-44,
            Some(_) => 1.2e-38,
        };
        for width in [67, 16, 64, 1024, 4099] {
            for eps in [1e-5, 1e-12, 0.0] {
                // One row of each, so that rows of one workgroup differ.
                let values = [3e38, 1e20, 1.0, 1e-3, 1e-15, 1e-18, 1e-30, 1e-37, 1e-10];
                let pattern = noise(7, width);
                let rows: Vec<f32> = values
                    .iter()
                    .flat_map(|&v| pattern.iter().map(move |&x| v * (0.5 + 0.5 * x)))
                    .collect();
                let weights = vec![0.5; width];
                let x = bench.f32(&[values.len(), width], &rows);
                let weight = bench.f32(&[width], &weights);
                let out = bench.zeros(DType::F32, &[values.len(), width]);
                bench
                    .run(|encoder| norm.encode(encoder, &x, &weight, eps, &out))
                    .unwrap();
                let found = bench.read::<f32>(&out);
                let exact = exactly(&rows, &weights, eps);
                // Some GPUs take elements of the smallest row that are no normal numbers as 0.
                let takes_as_0 = |(&x, &y): (&f32, &f32)| x.is_subnormal() && y == 0.0;
                let exact = match rows.iter().zip(&found).any(takes_as_0) {
                    true => exactly(
                        &rows.iter().map(|&x| flushed(x)).collect::<Vec<_>>(),
                        &weights,
                        eps,
                    ),
                    false => exact,
                };
                assert_close(&found, &exact, 5e-7, least);
            }
        }
        let zeros = bench.zeros(DType::F32, &[3, 64]);
        let weight = bench.f32(&[64], &[1.0; 64]);
        let out = bench.f32(&[3, 64], &[9.0; 192]);
        bench
            .run(|encoder| norm.encode(encoder, &zeros, &weight, 1e-5, &out))
            .unwrap();
        assert_eq!(bench.read::<f32>(&out), [0.0; 192]);
    });
}

fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0 } else { x }
}

#[test]
fn refusals() {
    on_devices(|bench| {
        let norm = RmsNorm::new(&bench.device).unwrap();
        let (x, weight) = (
            bench.zeros(DType::F32, &[3, 8]),
            bench.zeros(DType::F32, &[8]),
        );
        let (out, wide) = (
            bench.zeros(DType::F32, &[3, 8]),
            bench.zeros(DType::F32, &[9]),
        );
        bench.refuses(
            |e| norm.encode(e, &x, &wide, 1e-5, &out),
            "weight is F32 [9]; it must be F32 [8]",
        );
        bench.refuses(
            |e| norm.encode(e, &x, &weight, 1e-5, &wide),
            "out is F32 [9]",
        );
        bench.refuses(|e| norm.encode(e, &x, &weight, -1.0, &out), "eps is -1");
        bench.refuses(
            |e| norm.encode(e, &x, &weight, f32::NAN, &out),
            "eps is NaN",
        );
        bench.refuses(|e| norm.encode(e, &x, &weight, 1e-5, &x), "overlap");
        bench.refuses(
            |e| norm.encode_residual(e, &wide, &x, &weight, 1e-5, &out),
            "h is F32 [9]",
        );
        bench.refuses(
            |e| norm.encode_unweighted(e, &x, 1e-5, &wide),
            "out is F32 [9]",
        );
        bench.refuses(|e| norm.encode_unweighted(e, &x, -1.0, &out), "eps is -1");
        let ids = bench.zeros(DType::U32, &[3, 8]);
        bench.refuses(
            |e| norm.encode_heads(e, &ids, &weight, 1e-5),
            "x is U32 [3, 8]",
        );
    });
}
