//! What must hold for any nodes to become one, whatever the rule.

use std::collections::HashSet;

use crate::access::Access;
use crate::graph::Node;
use crate::graph::capture::Discard;
use crate::graph::dag::conflict;
use crate::graph::fusion::find::{Chosen, span};
use crate::graph::fusion::uses::{Fate, views};
use crate::graph::fusion::{FusionRule, Link, MissReason, Port, Unfit, Uses};
use crate::hazard::{AllocationId, RangeAccess};
use crate::range::ByteRange;

/// Where the fused node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// To the place of the first of the nodes.
    First,
    /// To that of the last.
    Last,
}

/// Whether the values that vanish can, and where the nodes can meet.
pub(crate) fn fusible(
    nodes: &[Node],
    uses: &Uses<'_>,
    rule: &FusionRule,
    chosen: &Chosen,
) -> Result<Spot, MissReason> {
    for (index, link) in rule.links.iter().enumerate() {
        if let Link::Vanishing { from, .. } = link {
            let earlier = &rule.links[..index];
            let known =
                |link: &Link| matches!(link, Link::Vanishing { from: known, .. } if known == from);
            if !earlier.iter().any(known) {
                vanishes(nodes, uses, rule, chosen, *from)?;
            }
        }
    }
    meet(nodes, chosen)
}

/// The ports that read what vanishes from `from`.
fn readers(rule: &FusionRule, from: Port) -> impl Iterator<Item = Port> + '_ {
    rule.links.iter().filter_map(move |link| match link {
        Link::Vanishing { from: same, to } if *same == from => Some(*to),
        _ => None,
    })
}

fn vanishes(
    nodes: &[Node],
    uses: &Uses<'_>,
    rule: &FusionRule,
    chosen: &Chosen,
    from: Port,
) -> Result<(), MissReason> {
    let writer = chosen[from.0];
    let Some(written) = nodes[writer as usize].arg(from.1) else {
        return Ok(());
    };
    let view = &written.view;
    let whole = nodes[writer as usize].kernel.interface().overwrites(from.1);
    if written.access == Access::Write && !whole {
        return Err(MissReason::PartlyWritten { node: writer });
    }
    let last = readers(rule, from)
        .map(|to| chosen[to.0])
        .max()
        .unwrap_or(writer);
    let mut lives_on = true;
    for found in uses
        .after(writer, view)
        .take_while(|found| found.node <= last)
    {
        let own = readers(rule, from)
            .any(|(place, slot)| chosen[place] == found.node && found.slot == Some(slot));
        let inside = readers(rule, from).any(|(place, _)| chosen[place] == found.node);
        match (own, inside) {
            (true, _) => lives_on &= !found.access.writes(),
            (false, true) => return Err(MissReason::SameOperand { node: found.node }),
            (false, false) => return Err(MissReason::SecondReader { node: found.node }),
        }
    }
    // Whoever changed it in place has made another value of it.
    if !lives_on {
        return Ok(());
    }
    match uses.fate(last, view) {
        Fate::Dead(_) => Ok(()),
        Fate::Used(node) => Err(MissReason::SecondReader { node }),
        Fate::Left => Err(MissReason::NeededLater),
    }
}

/// Whether the earlier nodes can move to the last, past what stands between; or the later ones to the first.
fn meet(nodes: &[Node], chosen: &Chosen) -> Result<Spot, MissReason> {
    let [first, last] = span(chosen);
    let between = first + 1..last;
    if let Some(node) = (first + 1..=last).find(|&node| nodes[node as usize].barrier_before) {
        return Err(MissReason::Barrier { node });
    }
    let mut obstacle = None;
    for spot in [Spot::Last, Spot::First] {
        let blocks = |other: u32| {
            let other_step = nodes[other as usize].step();
            chosen.iter().find_map(|&own| {
                let own_step = nodes[own as usize].step();
                match (spot, own < other) {
                    (Spot::Last, true) => conflict(own, &own_step, &other_step),
                    (Spot::First, false) => conflict(other, &other_step, &own_step),
                    _ => None,
                }
            })
        };
        let others = between.clone().filter(|other| !chosen.contains(other));
        let found = others
            .filter_map(|other| blocks(other).map(|hazard| (other, hazard)))
            .next();
        match found {
            None => return Ok(spot),
            Some(found) => obstacle = obstacle.or(Some(found)),
        }
    }
    match obstacle {
        Some((node, hazard)) => Err(MissReason::Between { node, hazard }),
        None => Ok(Spot::Last),
    }
}

/// Whether nodes that replace others touch no more than those did, and write as much, less what vanishes. Memory that
/// is not of those that were `captured` is the rules' own: one may bring along what another one has brought before.
pub(crate) fn same_effect(
    replaced: &[&Node],
    rule: &FusionRule,
    replacement: &[Node],
    captured: &HashSet<AllocationId>,
) -> Result<(), Unfit> {
    let touched = |nodes: &[&Node], kind: fn(Access) -> bool| -> Vec<RangeAccess> {
        let accesses = nodes.iter().flat_map(|node| node.accesses.iter().copied());
        accesses.filter(|access| kind(access.access)).collect()
    };
    let replacement: Vec<&Node> = replacement.iter().collect();
    let vanishing = vanishing(replaced, rule);
    for (what, kind) in [
        ("reads", Access::reads as fn(Access) -> bool),
        ("writes", Access::writes),
    ] {
        let old = touched(replaced, kind);
        let new = touched(&replacement, kind);
        let known = |access: &&RangeAccess| captured.contains(&access.allocation);
        if let Some(range) = new
            .iter()
            .filter(known)
            .find_map(|access| beyond(access, &old))
        {
            return Err(Unfit::new(format!(
                "the replacement {what} bytes {range}, which the nodes it stands for do not"
            )));
        }
    }
    let written = touched(&replacement, Access::writes);
    let kept = touched(replaced, Access::writes);
    let kept = kept.iter().filter(|access| !vanishing.contains(access));
    match kept.filter_map(|access| beyond(access, &written)).next() {
        Some(range) => Err(Unfit::new(format!(
            "the replacement leaves out the writing of bytes {range}"
        ))),
        None => Ok(()),
    }
}

/// The accesses whose effect nobody will see.
fn vanishing(replaced: &[&Node], rule: &FusionRule) -> Vec<RangeAccess> {
    let from = rule.links.iter().filter_map(|link| match link {
        Link::Vanishing { from, .. } => Some(*from),
        _ => None,
    });
    let args = from.filter_map(|(place, slot)| replaced.get(place)?.arg(slot));
    args.map(|arg| RangeAccess {
        allocation: arg.view.allocation(),
        range: arg.view.range(),
        access: arg.access,
    })
    .collect()
}

/// The first bytes of an access that none of `known` covers.
fn beyond(access: &RangeAccess, known: &[RangeAccess]) -> Option<ByteRange> {
    let mut known: Vec<ByteRange> = known
        .iter()
        .filter(|known| known.allocation == access.allocation)
        .map(|known| known.range)
        .collect();
    known.sort_unstable();
    let mut at = access.range.start;
    for range in known {
        if range.start <= at {
            at = at.max(range.end);
        }
    }
    (at < access.range.end).then(|| ByteRange::new(at, access.range.end))
}

/// Whether a discard stands between the first and the last of some nodes that move together, and is about what they
/// touch. It would have to move with them, and is rather forgotten.
pub(crate) fn crosses(discard: &Discard, [first, last]: [u32; 2], replaced: &[&Node]) -> bool {
    let gone = &discard.view;
    let about = |node: &&Node| {
        views(node).any(|(_, view, _)| {
            view.allocation() == gone.allocation() && view.range().overlaps(&gone.range())
        })
    };
    first < discard.after && discard.after <= last && replaced.iter().any(about)
}
