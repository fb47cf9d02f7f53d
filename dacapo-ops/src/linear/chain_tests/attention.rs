//! Chains that begin with attention.

use super::*;

const ATTENDED: [&str; 2] = [
    "attention and products up to the next",
    "attention and products after it",
];
const OF_TWO_TYPES: &str = "attention and products of two types up to the next";

/// Heads that read several rounds of positions.
const HEADS: Heads = Heads {
    dim: 64,
    cache: DType::F16,
    normed: false,
    position: 270,
};

/// Such a layer behind attention to such heads is one chain, which leaves what its parts do.
#[track_caller]
fn check(s: &Setup, layer: &Layer, heads: Heads, next: bool, rule: &str) {
    let cached = s.cached(layer, heads);
    let plan = s.attended(layer, &cached, next);
    assert_eq!(plan.ops(), ["matvec_chain"], "{}", plan.misses());
    plan.fired_last(rule);
    let mut kept = layer.kept(next);
    kept.extend(&cached.caches);
    let mut vanishing = layer.vanishing();
    vanishing.push(&layer.attended);
    if !next {
        vanishing.push(&layer.outs[0]);
    }
    for _ in 0..2 {
        plan.agrees_by_size(&kept, &vanishing);
    }
    s.linear.check_met().unwrap();
}

/// Queries that share a key or not, one round of positions or several, a key of its own at the first and at a later one.
#[test]
fn chains_begin_with_attention() {
    let Some(s) = Setup::new() else { return };
    let first = Heads {
        dim: 32,
        normed: true,
        position: 0,
        ..HEADS
    };
    let late = Heads {
        dim: 16,
        cache: DType::F32,
        position: 431,
        ..HEADS
    };
    let of_256 = Widths {
        keys: 64,
        ..WIDTHS[3]
    };
    let uniform = [DType::BF16, DType::Q8_0, DType::Q4_1].map(|dtype| (dtype, FEW));
    let large = [DType::Q4K, DType::Q6K].map(|dtype| (dtype, of_256));
    for (dtype, few) in uniform.into_iter().chain(large) {
        let mut cases = vec![(WIDTHS[0], HEADS, true), (few, late, false)];
        if !dtype.is_quantized() {
            cases.extend([(WIDTHS[0], HEADS, false), (few, first, true)]);
        }
        for (widths, heads, next) in cases {
            let layer = s.layer(dtype, widths);
            check(&s, &layer, heads, next, ATTENDED[usize::from(!next)]);
        }
    }
}

/// The most that chains bind: second planes with the norms of heads, or with biases.
#[test]
fn chains_with_attention_of_two_types_and_with_biases() {
    let Some(s) = Setup::new() else { return };
    let (mixed, widths) = MIXED[0];
    let widths = Widths { keys: 64, ..widths };
    let normed = Heads {
        normed: true,
        position: 0,
        ..HEADS
    };
    check(&s, &s.layer(mixed, widths), normed, true, OF_TWO_TYPES);
    let seconds = Types {
        values: DType::Q8_0,
        ..DType::Q4_0.into()
    };
    for (types, rule) in [
        (seconds, OF_TWO_TYPES),
        (DType::Q4_0.into(), ATTENDED[0]),
        (DType::BF16.into(), ATTENDED[0]),
    ] {
        let layer = s.biased(s.layer(types, WIDTHS[0]));
        check(&s, &layer, HEADS, true, rule);
    }
}

#[test]
fn attention_stays_apart_where_that_is_faster() {
    let Some(s) = Setup::new() else { return };
    let layer = s.layer(DType::BF16, WIDTHS[0]);
    let heads = Heads {
        position: 3,
        ..HEADS
    };
    let cached = s.cached(&layer, heads);
    let (rows, cols) = (layer.gate.rows(), layer.gate.cols());
    s.tuning
        .set(&format!("matvec_chain bf16 {rows}x{cols} x1 attention"), 0);
    let plan = s.attended(&layer, &cached, true);
    assert_eq!(plan.ops(), ["rope_append_attention", "matvec_chain"]);
}
