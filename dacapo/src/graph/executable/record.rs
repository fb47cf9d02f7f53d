//! Nodes into the backend's own encoders.

use core::ops::Range;

use smallvec::SmallVec;

use crate::access::Access;
use crate::backend::{self, Bound, Dispatch, Groups, INDIRECT_BYTES};
use crate::counters::Counters;
use crate::encoder::{Kept, Retained, USUAL_BINDINGS, counter};
use crate::graph::executable::Split;
use crate::graph::node::NodeExtent;
use crate::graph::{Graph, Node, OpenScopes, Plan, PlannedBarrier, ScopeStep};
use crate::grid::{groups_of, threads_of};
use crate::range::ByteRange;

/// Joins neighbouring waves into parts, as ranges of waves; only the last can have fewer nodes than asked for.
pub(super) fn parts(waves: &[Range<usize>], split: Split) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut first, mut within) = (0, 0);
    for (at, wave) in waves.iter().enumerate() {
        within += wave.len();
        let wanted = if first == 0 { split.first } else { split.rest };
        if within >= wanted || at + 1 == waves.len() {
            parts.push(first..at + 1);
            (first, within) = (at + 1, 0);
        }
    }
    parts
}

/// Encodes waves of the graph, with a barrier between any two.
pub(super) fn record(native: &mut dyn backend::Encoder, graph: &Graph, waves: &[Range<usize>]) {
    let mut open = OpenScopes::new();
    for (at, wave) in waves.iter().enumerate() {
        if at > 0 {
            native.barrier();
        }
        for node in &graph.nodes[wave.clone()] {
            graph.enter_scope(node.scope, &mut open, |step| match step {
                ScopeStep::Begin(label) => native.push_scope(label),
                ScopeStep::End => native.pop_scope(),
            });
            dispatch(native, node);
        }
    }
    graph.enter_scope(None, &mut open, |_| native.pop_scope());
}

/// Encodes a node, which was checked when it was captured.
fn dispatch(native: &mut dyn backend::Encoder, node: &Node) {
    let bound = node.args.iter().map(|arg| Bound {
        view: &arg.view,
        range: arg.view.range,
        access: arg.access,
    });
    let interface = node.kernel.interface();
    let workgroup = interface.workgroup();
    let groups = match &node.grid.extent {
        NodeExtent::Groups(groups) => Groups::Direct {
            groups: *groups,
            threads: threads_of(*groups, workgroup),
        },
        NodeExtent::Threads(threads) => Groups::Direct {
            groups: groups_of(*threads, workgroup),
            threads: *threads,
        },
        NodeExtent::Indirect(view) => Groups::Indirect(Bound {
            view,
            range: ByteRange::new(view.offset(), view.offset() + INDIRECT_BYTES),
            access: Access::Read,
        }),
    };
    native.dispatch(&Dispatch {
        kernel: &node.kernel,
        bound: &bound.collect::<SmallVec<[_; USUAL_BINDINGS]>>(),
        inline: &node.inline,
        groups: &groups,
        shared_bytes: interface.shared_memory().granted(node.grid.shared_bytes),
    });
}

/// What the nodes bind.
pub(super) fn kept(nodes: &[Node]) -> Kept {
    let mut retained = Retained::default();
    for node in nodes {
        for arg in &node.args {
            retained.include(&arg.view, arg.access);
        }
        if let NodeExtent::Indirect(view) = &node.grid.extent {
            retained.include(view, Access::Read);
        }
    }
    retained.into_kept()
}

/// What a run of the plan counts as.
pub(super) fn counts(plan: &Plan, barriers: &[PlannedBarrier]) -> Counters {
    let nodes = plan.graph().nodes.len();
    let mut counts = Counters {
        replays: 1,
        dispatches: nodes as u64,
        barriers_elided: (nodes - plan.waves().len()) as u64,
        ..Counters::default()
    };
    for barrier in barriers {
        *counter(&mut counts, &barrier.cause) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_waves_and_are_long_enough() {
        let lengths = [3, 1, 1, 9, 2, 2, 1];
        let mut start = 0;
        let waves = lengths.map(|len| {
            start += len;
            start - len..start
        });
        let nodes = |waves: &[Range<usize>]| waves.iter().map(Range::len).sum::<usize>();
        for (first, rest) in (0..25).flat_map(|first| (0..25).map(move |rest| (first, rest))) {
            let parts = parts(&waves, Split { first, rest });
            let covered: Vec<usize> = parts.iter().cloned().flatten().collect();
            assert_eq!(covered, (0..waves.len()).collect::<Vec<_>>());
            let (_, whole) = parts.split_last().unwrap();
            for (at, part) in whole.iter().enumerate() {
                let least = if at == 0 { first } else { rest };
                let waves = &waves[part.clone()];
                assert!(nodes(waves) >= least);
                assert!(waves.len() == 1 || nodes(&waves[..waves.len() - 1]) < least);
            }
        }
        assert!(parts(&[], Split::LAUNCHED).is_empty());
    }
}
