//! Against sums in f64, as for one vector.

use std::ops::Range;

use bytemuck::Zeroable;

use super::*;
use crate::dtype::DType;
use crate::quant::quantize_row;
use crate::testing::{Case, Random};

fn run(
    isa: Isa,
    case: &Case,
    rows: Range<usize>,
    x: &[f32],
    tokens: usize,
    integer: bool,
) -> Vec<f32> {
    let w = case.matrix();
    let mut y = vec![f32::NAN; rows.len() * tokens];
    if integer {
        let count = Q15Group::count(w.cols());
        let mut groups = vec![Q15Group::zeroed(); count * tokens];
        for (x, groups) in x.chunks_exact(w.cols()).zip(groups.chunks_exact_mut(count)) {
            quantize_row(isa, x, groups).unwrap();
        }
        quantized(isa, &w, rows, &groups, tokens, &mut y).unwrap();
    } else {
        exact(isa, &w, rows, x, tokens, &mut y).unwrap();
    }
    y
}

#[test]
fn every_type_level_and_shape() {
    let mut random = Random::new(11);
    for dtype in DType::WEIGHTS {
        let widths: &[usize] = match dtype.block_len() {
            1 => &[1, 5, 300],
            32 => &[32, 256, 352],
            _ => &[256, 768],
        };
        for (i, &cols) in widths.iter().enumerate() {
            for tokens in [1, 2, 3, 5, 17, 33] {
                let rows = [1, 19, 67][(i + tokens) % 3];
                let case = Case::new(&mut random, dtype, rows, cols);
                let x = random.normal(cols * tokens);
                for isa in Isa::available() {
                    for integer in [false, dtype.is_quantized()] {
                        let range = rows / 4..rows;
                        let y = run(isa, &case, range.clone(), &x, tokens, integer);
                        check(&case, range, &x, cols, integer, &y, isa);
                    }
                }
            }
        }
    }
}

fn check(
    case: &Case,
    rows: Range<usize>,
    x: &[f32],
    cols: usize,
    integer: bool,
    y: &[f32],
    isa: Isa,
) {
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(rows.len())) {
        for (row, &y) in rows.clone().zip(y) {
            let (want, bound) = if integer {
                case.rounded_dot(row, x)
            } else {
                let (want, magnitude) = case.dot(row, x);
                (want, magnitude * (cols + 4) as f64 * 2f64.powi(-24))
            };
            assert!(
                (f64::from(y) - want).abs() <= bound + 1e-37,
                "{isa:?} {cols} columns, row {row}, integer {integer}: {y} against {want} within {bound}"
            );
        }
    }
}

#[test]
fn activations_of_any_size() {
    let mut random = Random::new(12);
    for dtype in DType::WEIGHTS {
        let case = Case::new(&mut random, dtype, 7, 256);
        for scale in [0.0, 1e-30, 1e30] {
            let x: Vec<f32> = random.normal(512).iter().map(|v| v * scale).collect();
            for isa in Isa::available() {
                for integer in [false, dtype.is_quantized()] {
                    let y = run(isa, &case, 0..7, &x, 2, integer);
                    check(&case, 0..7, &x, 256, integer, &y, isa);
                }
            }
        }
    }
}

#[test]
fn a_bad_token_spoils_only_itself() {
    let mut random = Random::new(13);
    for dtype in DType::WEIGHTS {
        let case = Case::new(&mut random, dtype, 5, 256);
        for bad in [f32::INFINITY, f32::NAN] {
            let mut x = random.normal(256 * 3);
            x[256 + 100] = bad;
            for isa in Isa::available() {
                for integer in [false, dtype.is_quantized()] {
                    let y = run(isa, &case, 0..5, &x, 3, integer);
                    for (i, y) in y.iter().enumerate() {
                        assert_eq!(y.is_finite(), i / 5 != 1, "{dtype} {isa:?} {i}");
                    }
                }
            }
        }
    }
}

#[test]
fn bad_arguments_are_refused() {
    let isa = Isa::detect();
    let case = Case::new(&mut Random::new(14), DType::Q4_0, 4, 64);
    let w = case.matrix();
    assert!(exact(isa, &w, 0..4, &[0.0; 128], 2, &mut [0.0; 7]).is_err());
    assert!(exact(isa, &w, 0..4, &[0.0; 127], 2, &mut [0.0; 8]).is_err());
    assert!(exact(isa, &w, 0..5, &[0.0; 128], 2, &mut [0.0; 10]).is_err());
    assert!(quantized(isa, &w, 0..4, &[Q15Group::zeroed()], 2, &mut [0.0; 8]).is_err());
    assert!(exact(isa, &w, 4..4, &[0.0; 128], 2, &mut []).is_ok());
}
