//! Why a barrier stands between two waves, in words.

use crate::encoder::BarrierCause;
use crate::graph::draw::names::{Names, visible};
use crate::graph::{Graph, Node, Plan};
use crate::hazard::HazardKind;

/// Why there is a barrier in front of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// A node of the wave that needs it.
    pub(super) later: usize,
    pub(super) cause: BarrierCause,
}

/// The cause of the barrier in front of each wave but the first, as a replay puts them.
pub(super) fn causes_in_order(graph: &Graph) -> Vec<Cause> {
    let barriers = graph.barriers().into_iter();
    let inside = barriers.filter(|it| (1..graph.nodes.len()).contains(&(it.before as usize)));
    let causes = inside.map(|barrier| Cause {
        later: barrier.before as usize,
        cause: barrier.cause,
    });
    causes.collect()
}

/// The cause of the barrier in front of each wave but the first.
pub(super) fn causes_in_plan(plan: &Plan) -> Vec<Cause> {
    let barriers = plan.barriers().into_iter();
    let causes = barriers.map(|barrier| Cause {
        later: barrier.node as usize,
        cause: barrier.cause,
    });
    causes.collect()
}

impl Cause {
    pub(super) fn explain(&self, graph: &Graph, names: &Names<'_>) -> String {
        let hazard = match &self.cause {
            BarrierCause::Explicit => return "placed by the caller".to_owned(),
            BarrierCause::Serial => return "keeps the order that was asked for".to_owned(),
            BarrierCause::Hazard(hazard) => hazard,
        };
        let call = |index: usize| numbered(index, &graph.nodes[index]);
        let (later, earlier) = (call(self.later), call(hazard.earlier as usize));
        let bytes = hazard.allocation.map(|it| names.range(it, hazard.overlap));
        conflict(hazard.kind, &later, &earlier, &bytes.unwrap_or_default())
    }
}

/// A node as sentences name it.
pub(super) fn numbered(index: usize, node: &Node) -> String {
    format!("{index} {}", visible(node.kernel.name()))
}

/// A conflict as a sentence.
pub(super) fn conflict(kind: HazardKind, later: &str, earlier: &str, bytes: &str) -> String {
    match kind {
        HazardKind::ReadAfterWrite => format!("{later} reads {bytes} that {earlier} wrote"),
        HazardKind::WriteAfterRead => format!("{later} writes {bytes} that {earlier} read"),
        HazardKind::WriteAfterWrite => format!("{later} writes {bytes} that {earlier} wrote"),
        HazardKind::Unknown => format!("{later} or {earlier} may touch any memory"),
    }
}
