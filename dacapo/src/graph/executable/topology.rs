//! Whether the order of a plan still covers every conflict between nodes that were patched.

use std::collections::BTreeMap;

use crate::graph::Node;
use crate::graph::executable::Executable;
use crate::graph::executable::error::{Place, TopologyChange};
use crate::hazard::{HazardKind, RangeAccess};
use crate::range::ByteRange;

/// A conflict between two nodes, by the accesses through which they meet.
struct Conflict {
    node: RangeAccess,
    other: RangeAccess,
    overlap: ByteRange,
}

/// Fails with a conflict between a patched node and any other that the plan has not kept apart, unless the two
/// conflicted before.
pub(super) fn check(
    executable: &Executable,
    patched: &BTreeMap<usize, Node>,
) -> Result<(), TopologyChange> {
    let old = &executable.graph.nodes;
    let node = |at: usize| patched.get(&at).unwrap_or(&old[at]);
    let moved = patched
        .keys()
        .filter(|at| node(**at).accesses != old[**at].accesses);
    for &at in moved {
        for other in (0..old.len()).filter(|other| *other != at) {
            let Some(place) = executable.unordered(at, other) else {
                continue;
            };
            if let Some(conflict) = conflict(node(at), node(other))
                && self::conflict(&old[at], &old[other]).is_none()
            {
                return Err(explain(
                    executable,
                    (at, node(at)),
                    (other, node(other)),
                    place,
                    conflict,
                ));
            }
        }
    }
    Ok(())
}

impl Executable {
    /// How two nodes stand to each other, unless the one that comes first in the program runs in an earlier wave.
    fn unordered(&self, a: usize, b: usize) -> Option<Place> {
        let waves = self.wave_of[a].cmp(&self.wave_of[b]);
        match waves {
            core::cmp::Ordering::Equal => Some(Place::SameWave),
            _ if waves == self.places[a].cmp(&self.places[b]) => None,
            _ => Some(Place::Overtaken),
        }
    }
}

/// A node that may touch anything is kept apart from all others anyway.
fn conflict(node: &Node, other: &Node) -> Option<Conflict> {
    let anything = |node: &Node| node.kernel.interface().touches_anything();
    if anything(node) || anything(other) {
        return None;
    }
    node.accesses.iter().find_map(|&a| {
        other.accesses.iter().find_map(|&b| {
            // The order does not matter to whether there is a conflict.
            HazardKind::between(a.access, b.access)?;
            let overlap = a.range.intersection(&b.range);
            let overlap = overlap.filter(|_| a.allocation == b.allocation)?;
            Some(Conflict {
                node: a,
                other: b,
                overlap,
            })
        })
    })
}

fn explain(
    executable: &Executable,
    (at, node): (usize, &Node),
    (other_at, other): (usize, &Node),
    place: Place,
    conflict: Conflict,
) -> TopologyChange {
    let (a, b) = (conflict.node.access, conflict.other.access);
    let (earlier, later) = match executable.places[at] < executable.places[other_at] {
        true => (a, b),
        false => (b, a),
    };
    let bound = conflict.node;
    let arg = node.args.iter().find(|arg| {
        let RangeAccess {
            allocation,
            range,
            access,
        } = bound;
        arg.view.allocation() == allocation && arg.view.range == range && arg.access == access
    });
    let buffer = node
        .views()
        .find(|view| view.allocation() == bound.allocation);
    TopologyChange {
        node: at,
        kernel: node.kernel.name().into(),
        slot: arg.map(|arg| arg.slot),
        kind: HazardKind::between(earlier, later).unwrap_or(HazardKind::Unknown),
        other: other_at,
        other_kernel: other.kernel.name().into(),
        buffer: buffer.map_or("", |view| view.label()).into(),
        overlap: conflict.overlap,
        place,
    }
}
