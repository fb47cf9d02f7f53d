//! Why a barrier stands between two waves.

use core::ops::Range;

use crate::encoder::Uses;
use crate::graph::draw::names::{Names, visible};
use crate::graph::{Graph, Node};
use crate::hazard::{Hazard, HazardKind, HazardTracker};

/// Why there is a barrier in front of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The caller placed it.
    Explicit,
    /// A node of the wave conflicts with one of the wave before.
    Hazard {
        /// The node of the wave.
        later: usize,
        hazard: Hazard,
    },
    /// Nothing needs it but the order that was asked for.
    Order,
}

/// The cause of the barrier in front of each wave but the first.
pub(super) fn causes(graph: &Graph, waves: &[Range<usize>]) -> Vec<Cause> {
    let mut tracker = HazardTracker::new();
    let pairs = waves.windows(2).map(|pair| {
        tracker.barrier();
        for index in pair[0].clone() {
            let node = &graph.nodes[index];
            match node.kernel.uses(&node.accesses) {
                Uses::Anything => tracker.record_unknown(index as u32),
                Uses::Ranges(accesses) => tracker.record(index as u32, accesses),
            }
        }
        if graph.nodes[pair[1].start].barrier_before {
            return Cause::Explicit;
        }
        let conflict = pair[1].clone().find_map(|later| {
            let node = &graph.nodes[later];
            let hazard = match node.kernel.uses(&node.accesses) {
                Uses::Anything => tracker.check_unknown(),
                Uses::Ranges(accesses) => tracker.check(accesses),
            };
            hazard.map(|hazard| Cause::Hazard { later, hazard })
        });
        conflict.unwrap_or(Cause::Order)
    });
    pairs.collect()
}

impl Cause {
    pub(super) fn explain(&self, graph: &Graph, names: &Names<'_>) -> String {
        match self {
            Cause::Explicit => "placed by the caller".to_owned(),
            Cause::Order => "keeps the order that was asked for".to_owned(),
            Cause::Hazard { later, hazard } => {
                let call = |index: usize| numbered(index, &graph.nodes[index]);
                let (later, earlier) = (call(*later), call(hazard.earlier as usize));
                let bytes = hazard.allocation.map(|it| names.range(it, hazard.overlap));
                conflict(
                    hazard.kind,
                    &later,
                    &earlier,
                    &bytes.unwrap_or("memory".into()),
                )
            }
        }
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
