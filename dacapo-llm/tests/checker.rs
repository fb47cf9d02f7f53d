//! What the reference interpreter says of a model's decode step when a barrier is missing, an access is declared too
//! narrow, or a view is too short.

mod common;

use std::sync::Arc;

use common::{data, load, reference};
use dacapo::reference::{Kind, Order, ReferenceOptions, Report, Reports, reports};
use dacapo::{Access, Arg, BufferView, Device, Graph, Node, Plan, PlanOptions, Reorder};
use dacapo_llm::{PassOptions, Sampling, Session, SessionOptions};

/// One of each architecture.
const MODELS: [&str; 3] = [
    "tiny/llama-gqa.q4_1.gguf",
    "tiny/qwen2.q4_0.gguf",
    "tiny/qwen3.q4_1.gguf",
];
const PROMPT: [u32; 5] = [11, 48, 85, 122, 159];
/// Bytes of the smallest binding.
const WORD: u64 = 4;

/// A decode step that can run any number of times, each time at the same position.
struct Step {
    device: Device,
    reports: Arc<Reports>,
    plan: Plan,
    position: BufferView,
    /// Has the memory that the plan binds.
    _session: Session,
}

impl Step {
    /// Those of all models, planned without fusion and with it.
    fn all() -> impl Iterator<Item = Step> {
        let models = MODELS.into_iter();
        models.flat_map(|model| [false, true].map(|fuse| Step::new(model, fuse)))
    }

    fn new(model: &str, fuse: bool) -> Step {
        let device = reference(ReferenceOptions {
            collect: true,
            order: Order::Forward,
            ..ReferenceOptions::default()
        });
        let model = load(&device, &data(model));
        let options = SessionOptions {
            capacity: 16,
            chunk: 8,
            passes: PassOptions {
                fuse,
                ..PassOptions::default()
            },
            ..SessionOptions::for_model(&model)
        };
        let mut session = Session::new(&model, &options).unwrap();
        session.push(&PROMPT, &mut |_| {}).unwrap();
        session.next_token(&Sampling::GREEDY).unwrap();
        let graph = session.decode_graph(&Sampling::GREEDY).unwrap();
        let plan = session.plan(&graph).unwrap();
        let mut views = plan.graph().nodes().iter().flat_map(Node::args);
        let position = views.find(|arg| arg.view.label() == "position").unwrap();
        Step {
            reports: reports(&device).unwrap(),
            position: position.view.clone(),
            plan,
            device,
            _session: session,
        }
    }

    /// Puts the step where it was captured.
    fn place(&self) {
        self.position.write(&[PROMPT.len() as u32]).unwrap();
    }

    /// What is reported while a plan runs.
    fn run(&self, plan: &Plan) -> Vec<Report> {
        self.place();
        let executable = plan.instantiate().unwrap();
        executable.launch("decode").unwrap().wait().unwrap();
        self.reports.take()
    }

    /// What is reported while nodes run as they are, one after the other where their accesses ask for it.
    fn run_in_order(&self, graph: &Graph) -> Vec<Report> {
        let options = PlanOptions {
            reorder: Reorder::Never,
            rename_bytes: 0,
            ..PlanOptions::default()
        };
        self.run(&graph.plan(&options).unwrap())
    }

    /// A graph of one node, with a view that may be cut to some length.
    fn alone(&self, node: &Node, cut: Option<(u32, u64)>) -> Graph {
        let bound = node.args().iter().map(|arg| match cut {
            Some((slot, len)) if slot == arg.slot => (slot, arg.view.slice(..len).unwrap()),
            _ => (arg.slot, arg.view.clone()),
        });
        let bound: Vec<(u32, BufferView)> = bound.collect();
        let views = bound.iter().map(|(slot, view)| Arg::view(view).slot(*slot));
        let args: Vec<Arg<'_>> = views.chain([Arg::inline(node.inline())]).collect();
        Graph::capture(&self.device, |encoder| {
            encoder.dispatch(node.kernel(), &args[..], node.grid().as_grid())
        })
        .unwrap()
    }

    fn nodes(&self) -> &[Node] {
        self.plan.graph().nodes()
    }
}

fn has(reports: &[Report], kind: Kind) -> bool {
    reports.iter().any(|report| report.kind == kind)
}

fn text(reports: &[Report]) -> String {
    reports.iter().map(|report| format!("{report}\n")).collect()
}

#[test]
fn every_barrier_of_a_planned_step_is_missed() {
    for step in Step::all() {
        let as_planned = step.run(&step.plan);
        assert!(as_planned.is_empty(), "{}", text(&as_planned));
        step.place();
        step.plan.replay("decode").unwrap().wait().unwrap();
        assert!(step.reports.is_empty(), "{}", text(&step.reports.list()));
        let barriers = step.plan.barriers();
        assert_eq!(barriers.len() + 1, step.plan.waves().len());
        for barrier in barriers {
            let found = step.run(&step.plan.without_barrier(barrier.before));
            assert!(has(&found, Kind::RaceBetweenDispatches), "{barrier:?}");
            for report in found {
                assert_eq!(report.kind, Kind::RaceBetweenDispatches, "{report}");
                let [earlier, later] =
                    [&report.other.unwrap(), &report.party].map(|party| party.dispatch as u32);
                let [earlier, later] = [earlier.min(later), earlier.max(later)];
                assert_eq!(step.plan.wave_of(later as usize), barrier.before);
                assert!(step.plan.conflict(earlier, later).is_some());
            }
        }
    }
}

/// Whether nothing need be said of a node of this operation that declares no more than this at a slot.
fn is_enough(op: &str, slot: u32, access: Access) -> bool {
    match (op, slot, access) {
        // Only stores, and declares both because what is not appended to stays.
        ("kv_append" | "rope_append", 3 | 4, Access::Write) => true,
        // For what is joined beyond 64 positions or 256, which no tiny model has.
        ("attention" | "rope_append_attention", 5, _) => true,
        _ => false,
    }
}

#[test]
fn accesses_that_are_declared_too_narrow_are_noticed() {
    for step in Step::all() {
        step.run(&step.plan);
        for node in step.nodes() {
            let alone = step.alone(node, None);
            let as_declared = step.run_in_order(&alone);
            assert!(as_declared.is_empty(), "{}", text(&as_declared));
            for arg in node.args() {
                let narrower = match arg.access {
                    Access::ReadWrite => &[Access::Read, Access::Write][..],
                    Access::Read => &[Access::Write],
                    Access::Write => &[Access::Read],
                };
                for &access in narrower {
                    let found = step.run_in_order(&alone.with_access(0, arg.slot, access));
                    let expected = !is_enough(node.op_kind(), arg.slot, access);
                    let is_noticed = has(&found, Kind::Undeclared);
                    assert_eq!(
                        is_noticed, expected,
                        "slot {} as {access}: {node:?}",
                        arg.slot
                    );
                }
            }
        }
    }
}

#[test]
fn accesses_may_be_declared_too_wide() {
    for step in Step::all() {
        let mut graph = step.plan.graph().clone();
        for (at, node) in step.nodes().iter().enumerate() {
            for arg in node.args() {
                graph = graph.with_access(at, arg.slot, Access::ReadWrite);
            }
        }
        let found = step.run_in_order(&graph);
        assert!(found.is_empty(), "{}", text(&found));
    }
}

/// What a dispatch does with a view's bytes.
#[derive(PartialEq)]
enum Reach {
    /// It touches all, the last ones too.
    All,
    /// It touches some, where what it has read elsewhere says.
    Some,
    /// It touches none, or as many as the view has: a shorter view means less to do.
    Length,
}

fn reach(op: &str, slot: u32) -> Reach {
    match (op, slot) {
        ("embed", 0) | ("kv_append" | "rope_append", 3 | 4) => Reach::Some,
        ("attention" | "rope_append_attention", 1 | 2) => Reach::Some,
        // Room for the greatest of more rows.
        ("matvec_argmax", 4) => Reach::Some,
        ("rms_norm" | "silu_mul", 2) | ("rms_norm_in_place", 0) | ("add", 0 | 1) => Reach::Length,
        ("rope", 2) | ("rope_append", 6) => Reach::Length,
        ("attention" | "rope_append_attention", 5) => Reach::Length,
        ("rope_append_attention", 8) => Reach::Length,
        _ => Reach::All,
    }
}

#[test]
fn views_that_are_too_short_are_noticed() {
    for step in Step::all() {
        step.run(&step.plan);
        for node in step.nodes() {
            for arg in node.args().iter().filter(|arg| arg.view.len() > WORD) {
                let is_noticed = |len| {
                    let cut = step.alone(node, Some((arg.slot, len)));
                    has(&step.run_in_order(&cut), Kind::OutOfBounds)
                };
                let reach = reach(node.op_kind(), arg.slot);
                let words = format!("slot {} {}: {node:?}", arg.slot, node.op_kind());
                assert_eq!(
                    is_noticed(arg.view.len() - WORD),
                    reach == Reach::All,
                    "{words}"
                );
                assert!(reach == Reach::Length || is_noticed(WORD), "{words}");
            }
        }
    }
}
