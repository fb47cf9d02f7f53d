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

/// Encodes a layer, and checks that its products stay apart, for a reason that is said.
#[track_caller]
fn stays(s: &Setup, layer: &Layer, reason: &str) {
    s.allow(layer, 1);
    let plan = Fusing::new(&s.bench, &s.rules(), |e| s.encode(e, layer, true));
    assert!(!plan.ops().contains(&"matvec_chain"), "{:?}", plan.ops());
    assert!(plan.misses().contains(reason), "{}", plan.misses());
}

#[test]
fn what_does_not_fit_stays_apart() {
    let Some(s) = Setup::new() else { return };
    // Rows of 4 bytes, which are not read 16 at a time.
    let odd = Widths {
        gated: 162,
        ..WIDTHS[1]
    };
    stays(&s, &s.layer(DType::F32, odd), "16 bytes at a time");
}
