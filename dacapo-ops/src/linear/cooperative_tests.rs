//! Products of many tokens on matrix units of each size, which the reference interpreter stands in for, against f64.

use dacapo::{CooperativeMatrix, Graph, MemoryKind};

use super::tests::{check, check_halves, in_halves, run};
use super::*;
use crate::testing::{Case, Random, assert_matrices_are_aligned, reference_with, tensor};

const SIZES: [CooperativeMatrix; 2] = [CooperativeMatrix::Size8, CooperativeMatrix::Size16];

/// Tiles that are full, and that end within matrices of either size, in each direction.
#[test]
fn every_type_on_matrices_of_every_size() {
    for size in SIZES {
        let device = reference_with(Some(size));
        let linear = Linear::new(&device).unwrap();
        let mut random = Random::new(81);
        for dtype in DType::WEIGHTS {
            let widths: &[usize] = match dtype.block_len() {
                1 => &[5, 64, 91],
                32 => &[32, 160],
                _ => &[256],
            };
            for (i, &cols) in widths.iter().enumerate() {
                for (rows, tokens) in [(64, 64), (67, 9), (12, 75), (130, 29)] {
                    let case = Case::new(&mut random, dtype, rows, cols);
                    let x = random.normal(tokens * cols);
                    let bias = random.normal(rows);
                    let bias = (i + tokens).is_multiple_of(2).then_some(&bias[..]);
                    assert!(in_halves(&device, tokens));
                    let y = run(&device, &linear, &case, &x, tokens, bias);
                    check_halves(&case, &x, bias, &y);
                }
            }
        }
    }
}

/// Tiles of every form, several each way, that end within matrices; one tile is more than there is of anything.
#[test]
fn tiles_of_every_form() {
    let mut random = Random::new(84);
    for (size, wide) in [(SIZES[0], false), (SIZES[1], false), (SIZES[1], true)] {
        let device = reference_with(Some(size));
        let linear = Linear::new(&device).unwrap();
        for numbers in [
            [128, 128, 32, 2, 4, 2],
            [128, 64, 64, 4, 2, 1],
            [64, 128, 32, 1, 2, 2],
            [64, 64, 32, 2, 2, 1],
        ] {
            linear.force_tiling(Some(Tiling::new(numbers, wide)));
            for (dtype, cols) in [(DType::BF16, 200), (DType::F32, 36), (DType::Q8_0, 96)] {
                for (rows, tokens) in [(141, 133), (9, 10)] {
                    let case = Case::new(&mut random, dtype, rows, cols);
                    let x = random.normal(tokens * cols);
                    let y = run(&device, &linear, &case, &x, tokens, None);
                    check_halves(&case, &x, None, &y);
                }
            }
        }
        assert_matrices_are_aligned(&device);
    }
}

/// That what is tested above is what is meant, and what a device without such matrices runs.
#[test]
fn devices_run_the_matrices_that_they_have() {
    let mut random = Random::new(82);
    let case = Case::new(&mut random, DType::F32, 16, 16);
    let x = random.normal(9 * 16);
    for size in [None, Some(SIZES[0]), Some(SIZES[1])] {
        let device = reference_with(size);
        let linear = Linear::new(&device).unwrap();
        let w = linear.weights(&device, "w", &case.matrix()).unwrap();
        let activations = tensor(&device, DType::F32, &[9, 16], &x);
        let out = Tensor::zeros(&device, "out", DType::F32, &[9, 16]).unwrap();
        let scratch = device.buffer(1, MemoryKind::DeviceLocal).unwrap();
        let graph = Graph::capture(&device, |encoder| {
            linear.encode(encoder, &w, &activations, Epilogue::None, &scratch, &out)
        })
        .unwrap();
        let names: Vec<_> = graph
            .nodes()
            .iter()
            .map(|node| node.kernel().name())
            .collect();
        let expected = match size {
            Some(_) => "matmul_f32_cooperative",
            None => "matmul_f32",
        };
        assert_eq!(names, [expected]);
        let file = graph.to_file(&dacapo::FileOptions::default()).unwrap();
        let has = |text: &str| file.windows(text.len()).any(|at| at == text.as_bytes());
        assert_eq!(has("coop_mat8x8"), size == Some(SIZES[0]));
        assert_eq!(has("coop_mat16x16"), size == Some(SIZES[1]));
        let y = run(&device, &linear, &case, &x, 9, None);
        match size {
            Some(_) => check_halves(&case, &x, None, &y),
            None => check(&case, &x, None, false, &y),
        }
    }
}

/// Activations that f16 cannot hold become its largest; NaN stays where it is.
#[test]
fn what_is_beyond_halves_stays_in_its_row() {
    for size in SIZES {
        let device = reference_with(Some(size));
        let linear = Linear::new(&device).unwrap();
        let mut random = Random::new(83);
        let (rows, cols, tokens) = (20, 40, 21);
        let case = Case::new(&mut random, DType::F16, rows, cols);
        let mut x = random.normal(tokens * cols);
        let plain = run(&device, &linear, &case, &x, tokens, None);
        x[3 * cols + 7] = 1e30;
        x[20 * cols] = f32::NAN;
        let y = run(&device, &linear, &case, &x, tokens, None);
        x[3 * cols + 7] = 65504.0;
        let largest = run(&device, &linear, &case, &x, tokens, None);
        for token in 0..tokens {
            let of = |all: &[f32]| all[token * rows..][..rows].to_vec();
            match token {
                3 => assert_eq!(of(&y), of(&largest)),
                20 => assert!(of(&y).iter().all(|y| y.is_nan())),
                _ => assert_eq!(of(&y), of(&plain)),
            }
        }
    }
}
