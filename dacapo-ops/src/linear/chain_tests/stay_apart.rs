//! Products that are no chain, and what is said of it.

use super::*;

const BETWEEN: &str = "products between attentions";
const AFTER: &str = "products after attention";

#[test]
fn nothing_waits_unless_somebody_has_measured_it() {
    let Some(s) = Setup::new() else { return };
    let layer = s.layer(DType::BF16, WIDTHS[1]);
    let plan = Fusing::new(&s.bench, &s.rules(), |e| s.encode(e, &layer, true));
    let products = ["matvec_add", "matvec_gate_up", "matvec_add", "matvec_each"];
    assert_eq!(plan.ops(), products);
    for rule in [BETWEEN, AFTER] {
        assert!(plan.misses().contains(rule), "{}", plan.misses());
    }
    assert!(plan.misses().contains("dacapo tune"), "{}", plan.misses());
}

#[test]
fn rows_that_do_not_fit_stay_apart() {
    let Some(s) = Setup::new() else { return };
    // Down reads rows that are no multiple of 16 bytes.
    let odd = Widths {
        gated: 162,
        ..WIDTHS[1]
    };
    let layer = s.layer(DType::F32, odd);
    s.allow(&layer, 1);
    let plan = Fusing::new(&s.bench, &s.rules(), |e| s.encode(e, &layer, true));
    assert!(!plan.ops().contains(&"matvec_chain"), "{:?}", plan.ops());
    let reason = "rows of 162 elements are not read 16 bytes at a time";
    assert!(plan.misses().contains(reason), "{}", plan.misses());
}

/// Where the next layer's products are none that a chain takes, it ends before them.
#[test]
fn chains_without_the_next_products() {
    let Some(s) = Setup::new() else { return };
    let heads = Heads {
        dim: 32,
        cache: DType::F16,
        normed: false,
        position: 40,
    };
    // One of them without a bias, keys of another type than queries and values, and three types.
    let mut partly_biased = s.biased(s.layer(DType::Q8_0, FEW));
    partly_biased.biases[1] = None;
    let [q4_0, bf16] = [DType::Q4_0, DType::BF16].map(|dtype| s.layer(dtype, FEW));
    let [mut own_keys, mut three_types] = [(); 2].map(|()| s.layer(DType::Q8_0, FEW));
    own_keys.qkv[1] = q4_0.qkv[1].clone();
    three_types.qkv[1] = q4_0.qkv[1].clone();
    three_types.qkv[2] = bf16.qkv[2].clone();
    for (layer, left) in [
        (partly_biased, &["matvec_each"][..]),
        (own_keys, &["matvec_each", "matvec"]),
        (three_types, &["rms_norm", "matvec", "matvec", "matvec"]),
    ] {
        let cached = s.cached(&layer, heads);
        let plan = s.attended(&layer, &cached, true);
        let mut ops = vec!["matvec_chain"];
        ops.extend(left);
        assert_eq!(plan.ops(), ops, "{}", plan.misses());
        let mut vanishing = layer.vanishing();
        vanishing.push(&layer.attended);
        plan.agrees_by_size(&layer.kept(true), &vanishing);
        s.linear.check_met().unwrap();
    }
}
