//! Attention on matrix units, which the reference interpreter stands in for, against f64.

use dacapo::CooperativeMatrix;
use half::f16;

use super::Attention;
use super::cpu::Shape;
use super::tests::{Case, shape};
use crate::dtype::DType;
use crate::reference::Bench;
use crate::testing::{assert_matrices_are_aligned, reference_with};

fn on_matrices(test: impl Fn(&Bench, &Attention)) {
    let bench = Bench {
        device: reference_with(Some(CooperativeMatrix::Size16)),
    };
    let op = Attention::new(&bench.device).unwrap();
    test(&bench, &op);
    let sources = bench.device.kernel_sources();
    let is_meant = |name: &str| name.starts_with("attention_matrices");
    assert!(sources.iter().any(|source| is_meant(source.name())));
    assert_matrices_are_aligned(&bench.device);
}

fn check(bench: &Bench, op: &Attention, case: &Case<f16>) {
    case.check_in_halves(&case.on(bench, op, DType::F16), 4e-6);
}

/// Heads of one to eight matrices, which pass through the place of scores in one, two and more rounds.
#[test]
fn heads_of_any_width_and_group() {
    on_matrices(|bench, op| {
        for (i, head_dim) in [16, 32, 48, 64, 80, 96, 128].into_iter().enumerate() {
            let (heads, kv_heads, tokens) = [(4, 1, 17), (6, 2, 37), (8, 2, 33)][i % 3];
            let positions: Vec<u32> = (29..29 + tokens).collect();
            let shape = shape(heads, kv_heads, head_dim, 200);
            check(bench, op, &Case::new(shape, &positions, 2.0, f16::from_f32));
        }
    });
}

/// Tiles and blocks that end anywhere, rings that turn within tiles, and parts of several workgroups.
#[test]
fn positions_anywhere() {
    on_matrices(|bench, op| {
        for (from, capacity) in [(0, 64), (31, 70), (64, 131), (180, 100), (700, 733)] {
            for tokens in [16, 65] {
                let positions: Vec<u32> = (from..from + tokens).collect();
                let shape = shape(4, 1, 64, capacity);
                check(bench, op, &Case::new(shape, &positions, 2.0, f16::from_f32));
            }
        }
    });
}

/// Scores that rise by hundreds from tile to tile, fall, or are all the same: sums are scaled down again and again or never.
#[test]
fn scores_that_rise_and_fall() {
    on_matrices(|bench, op| {
        let positions: Vec<u32> = (180..200).collect();
        for slope in [3.0f32, -3.0, 0.3, 0.0] {
            for head_dim in [32, 96] {
                let shape = shape(4, 1, head_dim, 200);
                let mut case = Case::new(shape, &positions, 1.0, f16::from_f32);
                case.q.fill(1.0 / (head_dim as f32).sqrt());
                for (position, key) in case.k.chunks_exact_mut(head_dim).enumerate() {
                    key.fill(f16::from_f32(slope * position as f32));
                }
                check(bench, op, &case);
            }
        }
    });
}

#[test]
fn capped_scores() {
    on_matrices(|bench, op| {
        let positions: Vec<u32> = (0..40).collect();
        let shape = Shape {
            softcap: 5.0,
            scale: 0.3,
            ..shape(4, 2, 48, 64)
        };
        check(bench, op, &Case::new(shape, &positions, 3.0, f16::from_f32));
    });
}

/// Rows in any order, of which some are at positions that the ring has lost: they are zeros.
#[test]
fn rows_in_any_order() {
    on_matrices(|bench, op| {
        let positions: Vec<u32> = (0..40).map(|row| row * 97 % 251).chain([250]).collect();
        let shape = shape(2, 1, 64, 100);
        check(bench, op, &Case::new(shape, &positions, 2.0, f16::from_f32));
    });
}
