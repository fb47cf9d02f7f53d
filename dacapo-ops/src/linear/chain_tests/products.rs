//! What chains compute, beside the same products one after the other and beside f64.

use super::*;
use crate::reference::assert_close;

const TWO_TYPES: &str = "products of two types between attentions";

/// Types of one kind, with widths that they can have.
fn all_types() -> impl Iterator<Item = (DType, Widths)> {
    let [wide, of_32, of_8, of_256] = WIDTHS;
    let floats = [DType::F32, DType::F16, DType::BF16];
    let small = [DType::Q8_0, DType::Q4_0, DType::Q4_1];
    let large = [DType::Q4K, DType::Q6K];
    let pairs = |types: &[DType], widths: &[Widths]| -> Vec<(DType, Widths)> {
        let each = types
            .iter()
            .flat_map(|dtype| widths.iter().map(|widths| (*dtype, *widths)));
        each.collect()
    };
    let all = [
        pairs(&floats, &[wide, of_32, of_8]),
        pairs(&small, &[wide, of_32]),
        pairs(&large, &[wide, of_256]),
    ];
    all.into_iter().flatten()
}

/// What a layer leaves, in f64: the residual stream, queries, keys and values.
fn exact(s: &Setup, layer: &Layer) -> Vec<Vec<f64>> {
    let read = |tensor: &Tensor| -> Vec<f64> {
        let values: Vec<f32> = s.bench.read(tensor);
        values.into_iter().map(f64::from).collect()
    };
    let product = |at: usize, x: &[f64]| -> Vec<f64> {
        let case = &layer.cases[at];
        let rows = (0..case.matrix().rows()).map(|row| {
            let row = case.row(row);
            assert_eq!(row.len(), x.len());
            row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()
        });
        rows.collect()
    };
    let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    let normed = |x: &[f64], weight: &Tensor| -> Vec<f64> {
        let squares: f64 = x.iter().map(|x| x * x).sum();
        let factor = 1.0 / (squares / x.len() as f64 + f64::from(EPS)).sqrt();
        let weighted = x.iter().zip(read(weight)).map(|(x, w)| x * w * factor);
        weighted.collect()
    };
    let hidden = sum(&read(&layer.hidden), &product(0, &read(&layer.attended)));
    let x = normed(&hidden, &layer.norms[0]);
    let gates = product(1, &x).into_iter().zip(product(2, &x));
    let gated: Vec<f64> = gates
        .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
        .collect();
    let hidden = sum(&hidden, &product(3, &gated));
    let x = normed(&hidden, &layer.norms[1]);
    let next = (0..3).map(|at| {
        let sums = product(4 + at, &x);
        match &layer.biases[at] {
            Some(bias) => sum(&sums, &read(bias)),
            None => sums,
        }
    });
    let next: Vec<Vec<f64>> = next.collect();
    [vec![hidden], next].concat()
}

/// Checks a chain twice beside the same products apart and once beside f64, each element within roundings of sums as large
/// as the largest.
#[track_caller]
fn check(s: &Setup, layer: &Layer, next: bool) -> Vec<&'static str> {
    let plan = s.chained(layer, next);
    let (kept, vanishing) = (layer.kept(next), layer.vanishing());
    let exact = exact(s, layer);
    // The counter is left as it was: the second run meets, too.
    for _ in 0..2 {
        plan.agrees_by_size(&kept, &vanishing);
    }
    plan.run();
    for (tensor, exact) in kept.iter().zip(&exact) {
        let largest = exact.iter().fold(0f64, |most, x| most.max(x.abs()));
        assert_close(&s.bench.read::<f32>(tensor), exact, 1e-6, 1e-5 * largest);
    }
    s.linear.check_met().unwrap();
    plan.names_fired()
}

#[test]
fn chains_of_every_type() {
    let Some(s) = Setup::new() else { return };
    let mut last = None;
    for (dtype, widths) in all_types() {
        let layer = s.layer(dtype, widths);
        let fired = check(&s, &layer, true);
        assert_eq!(
            fired.last(),
            Some(&"products between attentions"),
            "{dtype}"
        );
        // Of one of its widths.
        if last.replace(dtype) != Some(dtype) {
            let fired = check(&s, &layer, false);
            assert_eq!(fired.last(), Some(&"products after attention"), "{dtype}");
        }
    }
}

#[test]
fn chains_of_several_types() {
    let Some(s) = Setup::new() else { return };
    for (types, widths) in MIXED {
        let layer = s.layer(types, widths);
        check(&s, &layer, false);
        let fired = check(&s, &layer, true);
        let has_two = types.keys != types.values;
        assert_eq!(fired.last() == Some(&TWO_TYPES), has_two, "{types:?}");
    }
}

#[test]
fn chains_add_biases() {
    let Some(s) = Setup::new() else { return };
    let mixed = MIXED[1].0;
    for types in [DType::Q8_0.into(), DType::F16.into(), mixed] {
        check(&s, &s.biased(s.layer(types, WIDTHS[1])), true);
    }
}

/// Whatever the tuner sets, a chain computes the same.
#[test]
fn chains_of_every_shape() {
    let Some(s) = Setup::new() else { return };
    for dtype in [DType::BF16, DType::Q4_0, DType::Q6K] {
        let layer = s.layer(dtype, WIDTHS[0]);
        s.tuning.record(true);
        s.chained(&layer, true);
        let knobs = s.tuning.knobs();
        s.tuning.record(false);
        let knobs = knobs.iter().filter(|knob| {
            knob.key.op == "matvec_chain" && knob.key.dimension != "workgroups a unit"
        });
        let knobs: Vec<_> = knobs.collect();
        assert!(knobs.len() > 10, "{knobs:?}");
        for last in [false, true] {
            for knob in &knobs {
                let value = if last {
                    knob.allowed.last()
                } else {
                    knob.allowed.first()
                };
                s.tuning.set(&knob.name(), *value.unwrap());
            }
            check(&s, &layer, true);
        }
        s.tuning.apply(crate::tuning::Settings::new());
    }
}
