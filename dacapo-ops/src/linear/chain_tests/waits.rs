//! Workgroups that wait for each other, and in vain.

use dacapo::{DeviceKind, Graph, PlanOptions};

use super::*;
use crate::error::Error;

/// Chains of two layers that have nothing to do with each other: as they meet through the same memory, they do not run at
/// the same time, which might be more workgroups than the device has room for.
#[test]
fn chains_take_turns() {
    let Some(s) = Setup::new() else { return };
    let [one, other] = [(); 2].map(|()| s.layer(DType::BF16, WIDTHS[1]));
    s.allow(&one, 1);
    let graph = Graph::capture(&s.bench.device, |e| {
        s.encode(e, &one, true)?;
        s.encode(e, &other, false)
    })
    .unwrap();
    let rules = s.rules();
    let options = PlanOptions {
        rules: &rules,
        ..PlanOptions::default()
    };
    let plan = graph.plan(&options).unwrap();
    let nodes = plan.graph().nodes().iter();
    let ops: Vec<&str> = nodes.map(|node| node.op_kind()).collect();
    assert_eq!(ops, ["matvec_chain"; 2]);
    assert_eq!(plan.barriers().len(), 1);
}

#[test]
fn who_waits_in_vain_says_so() {
    let Some(s) = Setup::new() else { return };
    let layer = s.layer(DType::BF16, WIDTHS[1]);
    s.allow(&layer, 4);
    let rules = s.rules();
    let graph = Graph::capture(&s.bench.device, |e| s.encode(e, &layer, true)).unwrap();
    let options = PlanOptions {
        rules: &rules,
        ..PlanOptions::default()
    };
    let plan = graph.plan(&options).unwrap();
    let replay = || plan.graph().replay("test").unwrap().wait().unwrap();
    replay();
    let met = s.linear.check_met();
    let is_serial = s.bench.device.info().kind == DeviceKind::SoftwareGpu
        && std::env::var("LP_NUM_THREADS").is_ok_and(|threads| threads == "0");
    if is_serial {
        assert!(matches!(met, Err(Error::Apart { .. })), "{met:?}");
    }
    // One workgroup does not wait, and finds the counters as they should be.
    s.allow(&layer, 1);
    s.linear.check_met().unwrap();
    let plan = Fusing::new(&s.bench, &rules, |e| s.encode(e, &layer, true));
    assert_eq!(plan.ops(), ["matvec_chain"]);
    plan.agrees_but(&[&layer.hidden], &layer.between.each_ref(), 1e5);
    s.linear.check_met().unwrap();
}
