//! Which nodes of a graph must wait for which, and how long the longest chain of them is.
//!
//! The edges are never listed: there can be quadratically many. What counts of a node's conflicts with those before it is
//! the latest of them, and that a [`Frontier`] finds in logarithmic time.

mod frontier;
mod map;
#[cfg(test)]
mod tests;

use crate::graph::Node;
use crate::hazard::{Hazard, HazardKind, RangeAccess};
use crate::range::ByteRange;

pub(crate) use frontier::Frontier;
pub(crate) use map::Map;

/// What planning needs to know of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) accesses: &'a [RangeAccess],
    /// Whether it may touch anything: it waits for all before it, and all after it wait for it.
    pub(crate) unknown: bool,
    /// Whether the caller put a barrier in front of it.
    pub(crate) fence: bool,
}

/// A node and the one it waits for: of those, the last to run in an order that starts each as soon as possible.
pub(crate) type Waits = Option<u32>;

/// How early and how late each node can run, counted in waves.
#[derive(Debug)]
pub(crate) struct Dag {
    /// Nodes on the longest chain that leads to a node, without it: the first wave in which it can run.
    pub(crate) depths: Vec<u32>,
    /// Nodes on the longest chain that starts from a node, without it.
    pub(crate) tails: Vec<u32>,
    /// A node of the wave before `depths`, for which a node waits.
    pub(crate) waits: Vec<Waits>,
    /// Nodes on the longest chain: the least number of waves.
    pub(crate) longest: u32,
}

/// What follows from the steps of a graph, found out once for all that is to be known of it.
pub(crate) struct Conflicts<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) map: Map,
    pub(crate) dag: Dag,
}

impl<'a> Conflicts<'a> {
    pub(crate) fn new(steps: Vec<Step<'a>>) -> Conflicts<'a> {
        let map = Map::new(&steps);
        let dag = Dag::with(&steps, &map);
        Conflicts { steps, map, dag }
    }

    pub(crate) fn of(nodes: &'a [Node]) -> Conflicts<'a> {
        Conflicts::new(nodes.iter().map(Node::step).collect())
    }
}

impl<'a> Step<'a> {
    /// The accesses that touch any byte.
    pub(crate) fn touched(&self) -> impl Iterator<Item = &'a RangeAccess> + use<'a> {
        self.accesses
            .iter()
            .filter(|access| !access.range.is_empty())
    }
}

impl Dag {
    fn with(steps: &[Step<'_>], map: &Map) -> Dag {
        let mut frontier = Frontier::new(map);
        let (mut depths, mut waits) = (Vec::new(), Vec::new());
        for (at, step) in steps.iter().enumerate() {
            if step.fence {
                frontier.fence();
            }
            let found = frontier.earliest(at, step.unknown);
            frontier.put(at, step.unknown, found.wave);
            depths.push(found.wave);
            waits.push(found.after);
        }
        let mut frontier = Frontier::new(map);
        let mut tails = vec![0; steps.len()];
        for (at, step) in steps.iter().enumerate().rev() {
            let found = frontier.earliest(at, step.unknown);
            frontier.put(at, step.unknown, found.wave);
            tails[at] = found.wave;
            if step.fence {
                frontier.fence();
            }
        }
        let longest = depths.iter().max().map_or(0, |deepest| deepest + 1);
        Dag {
            depths,
            tails,
            waits,
            longest,
        }
    }

    /// The last wave in which a node can run if there are no more waves than needed.
    pub(crate) fn latest(&self, node: usize) -> u32 {
        self.longest - 1 - self.tails[node]
    }

    /// Nodes of a longest chain, each of which waits for the one before.
    pub(crate) fn critical_path(&self) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = (0..self.depths.len())
            .max_by_key(|&node| (self.depths[node], core::cmp::Reverse(node)));
        while let Some(node) = at {
            path.push(node as u32);
            at = self.waits[node].map(|before| before as usize);
        }
        path.reverse();
        path
    }
}

/// How a later step conflicts with an earlier one by what they touch, if it does. `earlier` is the hazard's name for it.
pub(crate) fn conflict(earlier: u32, first: &Step<'_>, second: &Step<'_>) -> Option<Hazard> {
    let hazard = |kind, allocation, overlap| Hazard {
        kind,
        earlier,
        allocation,
        overlap,
    };
    if first.unknown || second.unknown {
        let everything = ByteRange::new(0, u64::MAX);
        return Some(hazard(HazardKind::Unknown, None, everything));
    }
    let mut found: Option<Hazard> = None;
    for after in second.accesses {
        for before in first.accesses {
            if before.allocation != after.allocation {
                continue;
            }
            let Some(overlap) = before.range.intersection(&after.range) else {
                continue;
            };
            let Some(kind) = HazardKind::between(before.access, after.access) else {
                continue;
            };
            if found.is_none_or(|known| rank(kind) < rank(known.kind)) {
                found = Some(hazard(kind, Some(after.allocation), overlap));
            }
        }
    }
    found
}

/// Kinds that say more about a program come first.
fn rank(kind: HazardKind) -> u8 {
    match kind {
        HazardKind::Unknown => 0,
        HazardKind::ReadAfterWrite => 1,
        HazardKind::WriteAfterWrite => 2,
        HazardKind::WriteAfterRead => 3,
    }
}
