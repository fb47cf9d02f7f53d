use core::fmt;

use crate::graph::fusion::Unfit;
use crate::hazard::Hazard;

/// What a plan did to a graph, and what it nearly did.
#[derive(Clone, Debug, Default)]
pub struct FusionReport {
    /// The rules that fired, in the order in which they did. Nodes that one rule made may be part of what another matched.
    pub fired: Vec<Fired>,
    /// Nodes that hang together as a rule wants it, and why they were left as they are.
    pub near_misses: Vec<NearMiss>,
}

/// Nodes that became fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The rule's name.
    pub rule: &'static str,
    /// Their places in the captured graph, in the order of the rule; of a node that was fused before, that of its first
    /// part.
    pub nodes: Vec<u32>,
}

/// Nodes that a rule would have liked to fuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule's name.
    pub rule: &'static str,
    /// As in [`Fired::nodes`].
    pub nodes: Vec<u32>,
    /// Why they were not.
    pub reason: MissReason,
}

/// Why nodes were not fused. Nodes are named by their place in the captured graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissReason {
    /// The value between them has another reader.
    SecondReader {
        /// Who reads it, too.
        node: u32,
    },
    /// The node reads the value through two of its slots.
    SameOperand {
        /// The node.
        node: u32,
    },
    /// The value between them may be read after the graph has run: it is neither overwritten nor discarded.
    NeededLater,
    /// The node that writes the value is not known to write all of it.
    PartlyWritten {
        /// The node.
        node: u32,
    },
    /// What one writes is not exactly what the other reads.
    OtherBytes {
        /// The node that reads.
        node: u32,
    },
    /// A node between them conflicts with moving them together.
    Between {
        /// The node.
        node: u32,
        /// How.
        hazard: Hazard,
    },
    /// The caller put a barrier between them.
    Barrier {
        /// The node that it stands in front of.
        node: u32,
    },
    /// The rule refused: types, shapes or sizes.
    Unfit(Unfit),
}

impl FusionReport {
    /// How often each rule fired, in the order in which they first did.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for fired in &self.fired {
            match counts.iter_mut().find(|(rule, _)| *rule == fired.rule) {
                Some((_, count)) => *count += 1,
                None => counts.push((fired.rule, 1)),
            }
        }
        counts
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: nodes {:?} stay: {}",
            self.rule, self.nodes, self.reason
        )
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MissReason::SecondReader { node } => write!(f, "node {node} uses the value between them, too"),
            MissReason::SameOperand { node } => write!(f, "node {node} reads the value through two slots"),
            MissReason::NeededLater => f.write_str(
                "the value between them may be read after the graph: it is neither overwritten nor discarded",
            ),
            MissReason::PartlyWritten { node } => {
                write!(f, "node {node} may write only a part of the value between them")
            }
            MissReason::OtherBytes { node } => {
                write!(f, "node {node} reads other bytes than were written")
            }
            MissReason::Between { node, hazard } => {
                write!(f, "node {node} stands between them: {}", hazard.kind)
            }
            MissReason::Barrier { node } => {
                write!(f, "the caller put a barrier in front of node {node}")
            }
            MissReason::Unfit(unfit) => unfit.fmt(f),
        }
    }
}
