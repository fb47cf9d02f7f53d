use smallvec::SmallVec;

use crate::graph::fusion::uses::Use;
use crate::graph::fusion::{FusionRule, Link, MissReason, Port, Uses};
use crate::graph::{Node, NodeArg};

/// Nodes, by their place in the rule.
pub(crate) type Chosen = SmallVec<[u32; 8]>;

/// The first and the last of some nodes.
pub(crate) fn span(nodes: &Chosen) -> [u32; 2] {
    let first = nodes.iter().copied().min().unwrap_or_default();
    let last = nodes.iter().copied().max().unwrap_or_default();
    [first, last]
}

/// Uses that are looked at in the search for a node's partner.
const FAR: usize = 64;

/// Looks for nodes that hang together as a rule says.
pub(crate) struct Finder<'a, 'g> {
    pub(crate) nodes: &'g [Node],
    pub(crate) uses: &'a Uses<'g>,
    pub(crate) rule: &'a FusionRule,
    /// Nodes that cannot be part of a match.
    pub(crate) taken: &'a [bool],
}

/// Where a walk along the uses of a value goes.
#[derive(Clone, Copy)]
enum Towards {
    Readers,
    Writer,
    OtherReaders,
}

impl Finder<'_, '_> {
    /// Calls `found` with each set of nodes whose first is `anchor`, until it is satisfied; `missed` learns of partners
    /// that bind other bytes than they should.
    pub(crate) fn find(
        &self,
        anchor: u32,
        found: &mut dyn FnMut(&Chosen) -> bool,
        missed: &mut dyn FnMut(Chosen, MissReason),
    ) {
        if self.fits(0, anchor) {
            let mut chosen = SmallVec::from_elem(None, self.rule.ops.len());
            chosen[0] = Some(anchor);
            self.complete(&mut chosen, found, missed);
        }
    }

    fn fits(&self, place: usize, node: u32) -> bool {
        let at = node as usize;
        !self.taken[at] && self.nodes[at].op_kind() == self.rule.ops[place]
    }

    /// Chooses the missing nodes one by one; whether somebody was satisfied.
    fn complete(
        &self,
        chosen: &mut SmallVec<[Option<u32>; 8]>,
        found: &mut dyn FnMut(&Chosen) -> bool,
        missed: &mut dyn FnMut(Chosen, MissReason),
    ) -> bool {
        let next = self.rule.links.iter().find_map(|link| {
            let (a, b, forward, backward) = match *link {
                Link::Vanishing { from, to } | Link::Passed { from, to } => {
                    (from, to, Towards::Readers, Towards::Writer)
                }
                Link::Shared(a, b) => (a, b, Towards::OtherReaders, Towards::OtherReaders),
            };
            match (chosen[a.0], chosen[b.0]) {
                (Some(node), None) => Some((node, a, b, forward)),
                (None, Some(node)) => Some((node, b, a, backward)),
                _ => None,
            }
        });
        let Some((node, known, wanted, towards)) = next else {
            // A rule whose nodes do not all hang together matches nothing.
            let all: Option<Chosen> = chosen.iter().copied().collect();
            return all.is_some_and(|all| self.linked(&all) && found(&all));
        };
        for candidate in self.candidates(node, known, wanted, towards) {
            match candidate {
                Ok(candidate) if !chosen.contains(&Some(candidate)) => {
                    chosen[wanted.0] = Some(candidate);
                    if self.complete(chosen, found, missed) {
                        return true;
                    }
                    chosen[wanted.0] = None;
                }
                Ok(_) => {}
                Err(reader) => {
                    let nodes = chosen.iter().copied().flatten().chain([reader]).collect();
                    missed(nodes, MissReason::OtherBytes { node: reader });
                }
            }
        }
        false
    }

    /// Nodes that can be at the `wanted` port, given one at the other; or that only bind other bytes there.
    fn candidates(
        &self,
        node: u32,
        known: Port,
        wanted: Port,
        towards: Towards,
    ) -> SmallVec<[Result<u32, u32>; 8]> {
        let mut candidates = SmallVec::new();
        let Some(view) = self.nodes[node as usize].view(known.1) else {
            return candidates;
        };
        let mut consider = |found: Use, exact_only: bool| {
            if found.slot == Some(wanted.1) && self.fits(wanted.0, found.node) {
                match found.range == view.range() {
                    true => candidates.push(Ok(found.node)),
                    false if !exact_only => candidates.push(Err(found.node)),
                    false => {}
                }
            }
        };
        match towards {
            Towards::Readers => {
                for found in self.uses.after(node, view).take(FAR) {
                    if found.access.reads() {
                        consider(found, false);
                    }
                    if found.access.writes() && found.range.contains(view.range()) {
                        break;
                    }
                }
            }
            Towards::Writer => {
                let writer = self
                    .uses
                    .before(node, view)
                    .take(FAR)
                    .find(|found| found.access.writes());
                if let Some(found) = writer {
                    consider(found, true);
                }
            }
            Towards::OtherReaders => {
                let same_value = |found: &Use| !found.access.writes();
                for found in self.uses.after(node, view).take(FAR).take_while(same_value) {
                    consider(found, true);
                }
                for found in self
                    .uses
                    .before(node, view)
                    .take(FAR)
                    .take_while(same_value)
                {
                    consider(found, true);
                }
            }
        }
        candidates
    }

    /// Whether all links hold: both ends bind the same bytes, with the same value.
    fn linked(&self, chosen: &Chosen) -> bool {
        self.rule.links.iter().all(|link| {
            let ((a, at_a), (b, at_b), shared) = match *link {
                Link::Vanishing { from, to } | Link::Passed { from, to } => (from, to, false),
                Link::Shared(a, b) => (a, b, true),
            };
            let (first, second) = (chosen[a], chosen[b]);
            let (Some(from), Some(to)) = (self.arg(first, at_a), self.arg(second, at_b)) else {
                return false;
            };
            let right_way = match shared {
                true => !from.access.writes() && !to.access.writes(),
                false => from.access.writes() && to.access.reads(),
            };
            if !right_way {
                return false;
            }
            let (x, y) = (&from.view, &to.view);
            let same_bytes = x.allocation() == y.allocation() && x.range() == y.range();
            let (first, second) = match shared {
                true => (first.min(second), first.max(second)),
                false => (first, second),
            };
            let mut between = self
                .uses
                .after(first, x)
                .take_while(|found| found.node < second);
            same_bytes && first < second && !between.any(|found| found.access.writes())
        })
    }

    fn arg(&self, node: u32, slot: u32) -> Option<&NodeArg> {
        self.nodes[node as usize].arg(slot)
    }
}
