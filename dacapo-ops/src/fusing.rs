//! Graphs that rules change, for the tests of several operations.

use dacapo::{CommandEncoder, FusionRule, Graph, Plan, PlanOptions};
use half::f16;

use crate::dtype::DType;
use crate::reference::{Bench, assert_close};
use crate::tensor::Tensor;

/// A graph and what rules made of it.
pub(crate) struct Fusing<'a> {
    bench: &'a Bench,
    graph: Graph,
    plan: Plan,
}

impl<'a> Fusing<'a> {
    pub(crate) fn new(
        bench: &'a Bench,
        rules: &[FusionRule],
        encode: impl FnOnce(&mut CommandEncoder) -> crate::Result<()>,
    ) -> Fusing<'a> {
        let graph = Graph::capture(&bench.device, encode).unwrap();
        let options = PlanOptions {
            rules,
            ..PlanOptions::default()
        };
        let plan = graph.plan(&options).unwrap();
        Fusing { bench, graph, plan }
    }

    /// The kinds of operation that are left, in order.
    pub(crate) fn ops(&self) -> Vec<&str> {
        let nodes = self.plan.graph().nodes();
        nodes.iter().map(|node| node.op_kind()).collect()
    }

    /// Checks that exactly these rules fired.
    #[track_caller]
    pub(crate) fn fired(&self, rules: &[&str]) -> &Self {
        let report = &self.plan.report().fusion;
        let fired: Vec<&str> = report.fired.iter().map(|fired| fired.rule).collect();
        assert_eq!(fired, rules, "{:?}", report.near_misses);
        self
    }

    /// Checks that this rule fired after all others.
    #[track_caller]
    pub(crate) fn fired_last(&self, rule: &str) {
        let report = &self.plan.report().fusion;
        let last = report.fired.last().map(|fired| fired.rule);
        assert_eq!(last, Some(rule), "{:?}", report.near_misses);
    }

    /// Names of the rules that fired, in order.
    pub(crate) fn names_fired(&self) -> Vec<&'static str> {
        let fired = self.plan.report().fusion.fired.iter();
        fired.map(|fired| fired.rule).collect()
    }

    /// Runs the plan once, and leaves what it leaves.
    #[track_caller]
    pub(crate) fn run(&self) {
        let replay = self.plan.graph().replay("test").unwrap();
        replay.wait().unwrap();
    }

    /// What nearly fired, and why it did not.
    pub(crate) fn misses(&self) -> String {
        let misses = self.plan.report().fusion.near_misses.iter();
        misses.map(|miss| format!("{miss}\n")).collect()
    }

    /// Checks that no rule fired, and that one nearly did, but for a reason that `holds`.
    #[track_caller]
    pub(crate) fn stays(&self, reason: &str) -> &Self {
        let report = &self.plan.report().fusion;
        assert_eq!(report.fired, []);
        let misses: Vec<String> = report
            .near_misses
            .iter()
            .map(|miss| miss.to_string())
            .collect();
        assert!(
            misses.iter().any(|miss| miss.contains(reason)),
            "{misses:?}, without {reason}"
        );
        self
    }

    /// Checks that no rule saw nodes that hang together as it wants them.
    #[track_caller]
    pub(crate) fn unseen(&self) -> &Self {
        let report = &self.plan.report().fusion;
        assert_eq!(
            (&report.fired[..], &report.near_misses[..]),
            (&[][..], &[][..])
        );
        self
    }

    /// Runs graph and plan, each from what `tensors` hold now, and checks that they leave the same: the same bits on the
    /// processor, elsewhere within some roundings of elements up to `size`.
    #[track_caller]
    pub(crate) fn agrees(&self, tensors: &[&Tensor], size: f64) {
        self.agrees_but(tensors, &[], size);
    }

    /// As [`Fusing::agrees`], where `vanishing` tensors need not be left the same.
    #[track_caller]
    pub(crate) fn agrees_but(&self, tensors: &[&Tensor], vanishing: &[&Tensor], size: f64) {
        self.agree(tensors, vanishing, |_| size);
    }

    /// As [`Fusing::agrees_but`], each tensor within some roundings of its largest element.
    #[track_caller]
    pub(crate) fn agrees_by_size(&self, tensors: &[&Tensor], vanishing: &[&Tensor]) {
        let largest = |values: &[f64]| values.iter().fold(0f64, |most, x| most.max(x.abs()));
        self.agree(tensors, vanishing, |values| 5.0 * largest(values));
    }

    #[track_caller]
    fn agree(&self, tensors: &[&Tensor], vanishing: &[&Tensor], size: impl Fn(&[f64]) -> f64) {
        let contents = |tensors: &[&Tensor]| -> Vec<Vec<u8>> {
            let bytes = tensors.iter().map(|tensor| tensor.view().read::<u8>());
            bytes.collect::<Result<_, _>>().unwrap()
        };
        let all = [tensors, vanishing].concat();
        let start = contents(&all);
        let run = |graph: &Graph| {
            graph.replay("test").unwrap().wait().unwrap();
            let end = contents(tensors);
            for (tensor, bytes) in all.iter().zip(&start) {
                tensor.view().write(bytes).unwrap();
            }
            end
        };
        let (captured, planned) = (run(&self.graph), run(self.plan.graph()));
        assert_ne!(start[..tensors.len()], captured, "something is computed");
        for (tensor, (captured, planned)) in tensors.iter().zip(captured.iter().zip(&planned)) {
            if self.bench.device.gpu().is_none() || tensor.dtype() == DType::U32 {
                assert!(captured == planned, "{tensor:?}");
                continue;
            }
            let [captured, planned] =
                [captured, planned].map(|bytes| floats(tensor.dtype(), bytes));
            let captured: Vec<f64> = captured.iter().map(|&x| x.into()).collect();
            let step = match tensor.dtype() {
                DType::F16 => 2f64.powi(-10),
                _ => 1e-6,
            };
            assert_close(&planned, &captured, step, 1e-6 * size(&captured));
        }
    }
}

fn floats(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        DType::F16 => {
            let (halves, _) = bytes.as_chunks::<2>();
            let halves = halves.iter().map(|&half| f16::from_le_bytes(half).to_f32());
            halves.collect()
        }
        _ => {
            let (singles, _) = bytes.as_chunks::<4>();
            singles
                .iter()
                .map(|&single| f32::from_le_bytes(single))
                .collect()
        }
    }
}
