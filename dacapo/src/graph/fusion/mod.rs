//! Several nodes become one.

mod check;
mod find;
mod report;
mod rule;
mod uses;

use std::collections::HashSet;
use std::sync::Arc;

use crate::encoder::CommandEncoder;
use crate::graph::capture::Discard;
use crate::graph::{Fused, FusedPart, Graph, Node, ScopeId};
use crate::hazard::AllocationId;
use check::Spot;
use find::{Chosen, Finder, span};
pub use report::{Fired, FusionReport, MissReason, NearMiss};
pub use rule::{FusionRule, Link, Match, Port, Unfit};
pub(crate) use uses::{Fate, Uses};

/// Near misses that are reported; what lies beyond repeats itself.
const MISSES: usize = 1000;

/// A graph's nodes while rules change them.
#[derive(Clone)]
pub(crate) struct Fusing {
    pub(crate) nodes: Vec<Node>,
    /// Where each node stood in the captured graph; ascending.
    pub(crate) positions: Vec<u32>,
    pub(crate) discards: Vec<Discard>,
    pub(crate) report: FusionReport,
    /// The memory that the captured nodes use.
    captured: HashSet<AllocationId>,
}

/// What becomes of matched nodes.
struct Change {
    chosen: Chosen,
    spot: Spot,
    nodes: Vec<Node>,
}

impl Fusing {
    pub(crate) fn new(graph: &Graph) -> Fusing {
        Fusing {
            nodes: graph.nodes.clone(),
            positions: (0..graph.nodes.len() as u32).collect(),
            discards: graph.discards.clone(),
            report: FusionReport::default(),
            captured: (graph.nodes.iter())
                .flat_map(|node| node.accesses.iter().map(|access| access.allocation))
                .collect(),
        }
    }

    /// Applies rules in their order, again and again, until none fires any more.
    pub(crate) fn apply(&mut self, graph: &Graph, rules: &[FusionRule]) {
        let mut changed = !rules.is_empty();
        while changed {
            changed = false;
            let mut misses = Vec::new();
            for rule in rules {
                // What one firing moves, another may have looked at: those wait for the next pass.
                loop {
                    misses.retain(|miss: &NearMiss| miss.rule != rule.name);
                    let changes = self.find(graph, rule, &mut misses);
                    if changes.is_empty() {
                        break;
                    }
                    changed = true;
                    self.make(rule, changes);
                }
            }
            misses.truncate(MISSES);
            self.report.near_misses = misses;
        }
    }

    /// All that a rule can do at the same time.
    fn find(&self, graph: &Graph, rule: &FusionRule, misses: &mut Vec<NearMiss>) -> Vec<Change> {
        let uses = Uses::new(&self.nodes, &self.positions, &self.discards);
        let mut taken = vec![false; self.nodes.len()];
        let mut changes = Vec::new();
        // Where the last change ends: changes of one pass do not reach into each other.
        let mut free_from = 0;
        for anchor in 0..self.nodes.len() as u32 {
            let mut change = None;
            let mut missed = |nodes: Chosen, reason| {
                misses.push(NearMiss {
                    rule: rule.name,
                    nodes: nodes
                        .iter()
                        .map(|&node| self.positions[node as usize])
                        .collect(),
                    reason: self.in_captured_graph(reason),
                });
            };
            let mut near = Vec::new();
            let finder = Finder {
                nodes: &self.nodes,
                uses: &uses,
                rule,
                taken: &taken,
            };
            finder.find(
                anchor,
                &mut |chosen| match self.judge(graph, rule, &uses, chosen) {
                    Ok(found) => {
                        change = Some(found);
                        true
                    }
                    Err(reason) => {
                        near.push((chosen.clone(), reason));
                        false
                    }
                },
                &mut missed,
            );
            match change {
                Some(change) => {
                    let [first, last] = span(&change.chosen);
                    if first >= free_from {
                        taken[first as usize..=last as usize].fill(true);
                        free_from = last + 1;
                        changes.push(change);
                    }
                }
                None => near
                    .into_iter()
                    .for_each(|(nodes, reason)| missed(nodes, reason)),
            }
        }
        changes
    }

    /// What would take the place of chosen nodes, or why nothing can.
    fn judge(
        &self,
        graph: &Graph,
        rule: &FusionRule,
        uses: &Uses<'_>,
        chosen: &Chosen,
    ) -> Result<Change, MissReason> {
        let spot = check::fusible(&self.nodes, uses, rule, chosen)?;
        let matched: Vec<&Node> = chosen
            .iter()
            .map(|&node| &self.nodes[node as usize])
            .collect();
        let mut encoder = CommandEncoder::capture(&graph.device, Some(graph.hazards));
        let replaced = (rule.replace)(&Match { nodes: &matched }, &mut encoder);
        replaced.map_err(MissReason::Unfit)?;
        let captured = encoder.into_capture().unwrap_or_default().finish();
        let mut nodes = captured.nodes;
        // Fewer each time, so that rules come to an end.
        if !(1..chosen.len()).contains(&nodes.len()) {
            return Err(MissReason::Unfit(Unfit::new(format!(
                "the rule puts {} nodes in the place of {}",
                nodes.len(),
                chosen.len()
            ))));
        }
        check::same_effect(&matched, rule, &nodes, &self.captured).map_err(MissReason::Unfit)?;
        let fused = Arc::new(self.fused(rule, chosen));
        let scope = self.common_scope(graph, &matched);
        for node in &mut nodes {
            node.fused = Some(fused.clone());
            node.scope = scope;
            node.barrier_before = false;
        }
        Ok(Change {
            chosen: chosen.clone(),
            spot,
            nodes,
        })
    }

    /// Which captured nodes a fused one stands for.
    fn fused(&self, rule: &FusionRule, chosen: &Chosen) -> Fused {
        let mut parts: Vec<FusedPart> = Vec::new();
        for &at in chosen {
            let node = &self.nodes[at as usize];
            match &node.fused {
                Some(fused) => parts.extend(fused.parts.iter().cloned()),
                None => parts.push(FusedPart {
                    index: self.positions[at as usize],
                    kernel: node.kernel.name().into(),
                    op: node.op_kind().into(),
                }),
            }
        }
        parts.sort_by_key(|part| part.index);
        parts.dedup();
        Fused {
            rule: rule.name,
            parts,
        }
    }

    /// The innermost scope around all of some nodes.
    fn common_scope(&self, graph: &Graph, nodes: &[&Node]) -> Option<ScopeId> {
        let mut paths = nodes.iter().map(|node| graph.scope_ids(node.scope));
        let mut common = paths.next()?;
        for path in paths {
            let same = common.iter().zip(&path).take_while(|(a, b)| a == b).count();
            common.truncate(same);
        }
        common.last().copied()
    }

    fn make(&mut self, rule: &FusionRule, changes: Vec<Change>) {
        let mut put: Vec<Option<Vec<Node>>> = self.nodes.iter().map(|_| None).collect();
        let mut gone = vec![false; self.nodes.len()];
        for change in changes {
            let positions = |node: &u32| self.positions[*node as usize];
            self.report.fired.push(Fired {
                rule: rule.name,
                nodes: change.chosen.iter().map(positions).collect(),
            });
            let [first, last] = span(&change.chosen).map(|node| node as usize);
            let matched: Vec<&Node> = change
                .chosen
                .iter()
                .map(|&node| &self.nodes[node as usize])
                .collect();
            let span = [first, last].map(|node| self.positions[node]);
            self.discards
                .retain(|discard| !check::crosses(discard, span, &matched));
            let mut nodes = change.nodes;
            let at = match change.spot {
                Spot::First => first,
                Spot::Last => last,
            };
            let fence = self.nodes[first].barrier_before;
            match change.spot {
                // The barrier in front of the first stays where it is.
                Spot::Last if first + 1 < last && fence => {
                    let next =
                        (first + 1..last).find(|&node| !change.chosen.contains(&(node as u32)));
                    match next {
                        Some(next) => self.nodes[next].barrier_before = true,
                        None => nodes[0].barrier_before = true,
                    }
                }
                _ => nodes[0].barrier_before = fence,
            }
            for &node in &change.chosen {
                gone[node as usize] = true;
            }
            put[at] = Some(nodes);
        }
        let old = core::mem::take(&mut self.nodes)
            .into_iter()
            .zip(core::mem::take(&mut self.positions));
        for (((node, position), put), gone) in old.zip(put).zip(gone) {
            match put {
                Some(nodes) => {
                    self.positions.extend(nodes.iter().map(|_| position));
                    self.nodes.extend(nodes);
                }
                None if gone => {}
                None => {
                    self.nodes.push(node);
                    self.positions.push(position);
                }
            }
        }
        debug_assert!(self.positions.is_sorted());
    }

    /// A reason that names nodes by where they stood in the captured graph.
    fn in_captured_graph(&self, reason: MissReason) -> MissReason {
        let position = |node: u32| self.positions[node as usize];
        match reason {
            MissReason::SecondReader { node } => MissReason::SecondReader {
                node: position(node),
            },
            MissReason::SameOperand { node } => MissReason::SameOperand {
                node: position(node),
            },
            MissReason::PartlyWritten { node } => MissReason::PartlyWritten {
                node: position(node),
            },
            MissReason::OtherBytes { node } => MissReason::OtherBytes {
                node: position(node),
            },
            MissReason::Barrier { node } => MissReason::Barrier {
                node: position(node),
            },
            MissReason::Between { node, mut hazard } => {
                hazard.earlier = position(hazard.earlier);
                MissReason::Between {
                    node: position(node),
                    hazard,
                }
            }
            MissReason::NeededLater | MissReason::Unfit(_) => reason,
        }
    }
}
