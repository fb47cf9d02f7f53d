//! Against sums in f64 over weights dequantised by the code that is itself checked against the package `gguf`.

use std::ops::Range;

use bytemuck::Zeroable;

use super::*;
use crate::dtype::DType;
use crate::quant::{Q15Group, quantize_row};
use crate::testing::{Case, Random};

fn run(isa: Isa, case: &Case, rows: Range<usize>, x: &[f32], integer: bool) -> Vec<f32> {
    let mut y = vec![f32::NAN; rows.len()];
    if integer {
        let mut groups = vec![Q15Group::zeroed(); Q15Group::count(x.len())];
        quantize_row(isa, x, &mut groups).unwrap();
        quantized(isa, &case.matrix(), rows, &groups, &mut y).unwrap();
    } else {
        exact(isa, &case.matrix(), rows, x, &mut y).unwrap();
    }
    y
}

fn widths(dtype: DType) -> Vec<usize> {
    let blocks: &[usize] = match dtype.block_len() {
        1 => &[1, 3, 16, 63, 64, 65, 200, 577],
        32 => &[1, 2, 3, 4, 5, 7, 8, 9, 18, 48],
        _ => &[1, 2, 3, 6],
    };
    blocks.iter().map(|b| b * dtype.block_len()).collect()
}

#[test]
fn exact_products_at_every_level() {
    let mut random = Random::new(1);
    for dtype in DType::WEIGHTS {
        for cols in widths(dtype) {
            let case = Case::new(&mut random, dtype, 13, cols);
            let x = random.normal(cols);
            for isa in Isa::available() {
                for rows in [0..13, 0..1, 5..12, 12..13, 4..4] {
                    let y = run(isa, &case, rows.clone(), &x, false);
                    for (row, y) in rows.zip(y) {
                        let (want, magnitude) = case.dot(row, &x);
                        // Each of at most cols roundings is below 2^-24 of the sum of magnitudes.
                        let bound = magnitude * (cols + 4) as f64 * 2f64.powi(-24);
                        assert!(
                            (f64::from(y) - want).abs() <= bound,
                            "{dtype} {isa:?} {cols} row {row}: {y} against {want}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn integer_products_at_every_level() {
    let mut random = Random::new(2);
    for dtype in DType::WEIGHTS.into_iter().filter(|t| t.is_quantized()) {
        for cols in widths(dtype) {
            let case = Case::new(&mut random, dtype, 13, cols);
            let x = random.normal(cols);
            for isa in Isa::available() {
                for rows in [0..13, 0..1, 5..12, 12..13, 4..4] {
                    let y = run(isa, &case, rows.clone(), &x, true);
                    for (row, y) in rows.zip(y) {
                        let (want, bound) = case.rounded_dot(row, &x);
                        assert!(
                            (f64::from(y) - want).abs() <= bound,
                            "{dtype} {isa:?} {cols} row {row}: {y} against {want} within {bound}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn activations_of_any_size() {
    let mut random = Random::new(3);
    for dtype in DType::WEIGHTS {
        let cols = 256;
        let case = Case::new(&mut random, dtype, 5, cols);
        for scale in [0.0, 1e-30, 1e30] {
            let x: Vec<f32> = random.normal(cols).iter().map(|v| v * scale).collect();
            for isa in Isa::available() {
                for integer in [false, dtype.is_quantized()] {
                    for (row, y) in run(isa, &case, 0..5, &x, integer).into_iter().enumerate() {
                        let (want, bound) = if integer {
                            case.rounded_dot(row, &x)
                        } else {
                            let (want, magnitude) = case.dot(row, &x);
                            (want, magnitude * 260.0 * 2f64.powi(-24))
                        };
                        assert!((f64::from(y) - want).abs() <= bound + 1e-37);
                    }
                }
            }
        }
    }
}

#[test]
fn infinities_and_nan_reach_every_row() {
    let mut random = Random::new(4);
    for dtype in DType::WEIGHTS {
        let case = Case::new(&mut random, dtype, 5, 256);
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let mut x = random.normal(256);
            x[77] = bad;
            for isa in Isa::available() {
                for integer in [false, dtype.is_quantized()] {
                    let y = run(isa, &case, 0..5, &x, integer);
                    assert!(y.iter().all(|y| !y.is_finite()), "{dtype} {isa:?}");
                }
            }
        }
    }
}

#[test]
fn bad_arguments_are_refused() {
    let isa = Isa::detect();
    let case = Case::new(&mut Random::new(5), DType::F16, 4, 64);
    let (w, x) = (case.matrix(), [0.0; 64]);
    assert!(exact(isa, &w, 0..4, &x[1..], &mut [0.0; 4]).is_err());
    assert!(exact(isa, &w, 0..4, &x, &mut [0.0; 3]).is_err());
    assert!(exact(isa, &w, 2..5, &x, &mut [0.0; 3]).is_err());
    let error = quantized(isa, &w, 0..4, &[Q15Group::zeroed()], &mut [0.0; 4]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the weight of an integer product cannot be F16; possible are Q8_0, Q4_0, Q4_1, Q4_K, Q6_K"
    );
}
