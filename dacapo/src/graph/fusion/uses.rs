use std::collections::HashMap;

use crate::access::Access;
use crate::graph::capture::Discard;
use crate::graph::{Node, NodeArg};
use crate::hazard::AllocationId;
use crate::memory::BufferView;
use crate::range::ByteRange;

/// Who touches which bytes, in program order.
pub(crate) struct Uses<'g> {
    nodes: &'g [Node],
    by_allocation: HashMap<AllocationId, Vec<Use>>,
    /// Nodes that may touch anything.
    unknown: Vec<u32>,
    discards: &'g [Discard],
    /// Which discards are about an allocation.
    discards_of: HashMap<AllocationId, Vec<u32>>,
    positions: &'g [u32],
}

/// One view that a node binds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) node: u32,
    /// The slot; `None` for the grid of an indirect dispatch.
    pub(crate) slot: Option<u32>,
    pub(crate) range: ByteRange,
    pub(crate) access: Access,
}

/// What becomes of some bytes after a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are overwritten by this node, or discarded, before anybody reads them.
    Dead(Option<u32>),
    /// This node uses them, or a part of them.
    Used(u32),
    /// Nobody uses them in the graph, and the host may later.
    Left,
}

impl<'g> Uses<'g> {
    /// `positions` are those of the nodes in the captured graph, to which discards refer.
    pub(crate) fn new(
        nodes: &'g [Node],
        positions: &'g [u32],
        discards: &'g [Discard],
    ) -> Uses<'g> {
        let mut by_allocation: HashMap<_, Vec<Use>> = HashMap::new();
        let mut unknown = Vec::new();
        for (at, node) in (0..).zip(nodes) {
            if node.kernel.interface().touches_anything() {
                unknown.push(at);
            }
            for (slot, view, access) in views(node) {
                if !view.is_read_only() {
                    by_allocation
                        .entry(view.allocation())
                        .or_default()
                        .push(Use {
                            node: at,
                            slot,
                            range: view.range(),
                            access,
                        });
                }
            }
        }
        let mut discards_of: HashMap<_, Vec<u32>> = HashMap::new();
        for (at, discard) in (0..).zip(discards) {
            discards_of
                .entry(discard.view.allocation())
                .or_default()
                .push(at);
        }
        Uses {
            nodes,
            by_allocation,
            unknown,
            discards,
            discards_of,
            positions,
        }
    }

    /// The uses after a node that overlap a view, in program order.
    pub(crate) fn after(&self, node: u32, view: &BufferView) -> impl Iterator<Item = Use> + '_ {
        let (all, range) = (self.of(view), view.range());
        let first = all.partition_point(|found| found.node <= node);
        all[first..]
            .iter()
            .copied()
            .filter(move |found| found.range.overlaps(&range))
    }

    /// The uses before a node that overlap a view, the nearest first.
    pub(crate) fn before(&self, node: u32, view: &BufferView) -> impl Iterator<Item = Use> + '_ {
        let (all, range) = (self.of(view), view.range());
        let end = all.partition_point(|found| found.node < node);
        all[..end]
            .iter()
            .rev()
            .copied()
            .filter(move |found| found.range.overlaps(&range))
    }

    fn of(&self, view: &BufferView) -> &[Use] {
        self.by_allocation
            .get(&view.allocation())
            .map_or(&[], Vec::as_slice)
    }

    /// What becomes of the bytes of a view after a node.
    pub(crate) fn fate(&self, node: u32, view: &BufferView) -> Fate {
        let next = self.after(node, view).next();
        let unknown = self.unknown[self.unknown.partition_point(|at| *at <= node)..]
            .first()
            .copied();
        let first = match (next.map(|next| next.node), unknown) {
            (Some(next), Some(unknown)) => Some(next.min(unknown)),
            (next, unknown) => next.or(unknown),
        };
        let position = |node: u32| self.positions[node as usize];
        let discarded = self
            .discards_of
            .get(&view.allocation())
            .into_iter()
            .flatten()
            .any(|&at| {
                let Discard { after, view: gone } = &self.discards[at as usize];
                gone.range().contains(view.range())
                    && *after > position(node)
                    && first.is_none_or(|first| *after <= position(first))
            });
        match (first, next) {
            _ if discarded => Fate::Dead(None),
            (Some(first), Some(next)) if first == next.node && self.overwrites(&next, view) => {
                Fate::Dead(Some(first))
            }
            (Some(first), _) => Fate::Used(first),
            (None, _) if view.is_released() => Fate::Dead(None),
            (None, _) => Fate::Left,
        }
    }

    /// Whether a use leaves nothing of what a view held.
    pub(crate) fn overwrites(&self, found: &Use, view: &BufferView) -> bool {
        let interface = self.nodes[found.node as usize].kernel.interface();
        let whole = found.slot.is_some_and(|slot| interface.overwrites(slot));
        whole && found.range.contains(view.range())
    }
}

/// What a node binds: its slots and the grid of an indirect dispatch.
pub(crate) fn views(node: &Node) -> impl Iterator<Item = (Option<u32>, &BufferView, Access)> {
    let slots = node
        .args
        .iter()
        .map(|NodeArg { slot, access, view }| (Some(*slot), view, *access));
    let grid = node.grid.indirect().map(|view| (None, view, Access::Read));
    slots.chain(grid)
}
