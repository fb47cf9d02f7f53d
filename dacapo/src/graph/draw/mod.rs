//! Graphs and plans as text and as pictures.

mod cause;
mod describe;
mod dot;
mod edges;
mod names;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use core::ops::Range;

use crate::graph::dag::Step;
use crate::graph::{Graph, Node, Plan};
use cause::{Cause, causes_in_order, causes_in_plan};
use edges::{Edge, immediate_hazards};
use names::Names;

/// Nodes that a picture shows at most: the rest is said to be left out.
const MAX_NODES: usize = 4096;

/// A graph in waves, and what a picture of it shows.
struct Picture<'g> {
    graph: &'g Graph,
    names: Names<'g>,
    waves: Vec<Range<usize>>,
    /// Why there is a barrier in front of each wave but the first.
    causes: Vec<Cause>,
    edges: Vec<Edge>,
    total: Total,
    /// Whether all hazards among the drawn nodes were found.
    edges_complete: bool,
}

/// Everything, drawn or not.
struct Total {
    waves: usize,
    nodes: usize,
}

impl Total {
    fn barriers(&self) -> usize {
        self.waves.saturating_sub(1)
    }
}

impl<'g> Picture<'g> {
    fn of_graph(graph: &'g Graph) -> Picture<'g> {
        let causes = causes_in_order(graph);
        let ends = causes.iter().map(|it| it.later);
        let mut start = 0;
        let waves = ends.chain([graph.nodes.len()]).map(|end| {
            let wave = start..end;
            start = end;
            wave
        });
        let waves = waves.filter(|wave| !wave.is_empty()).collect();
        Picture::new(graph, waves, causes)
    }

    fn of_plan(plan: &'g Plan) -> Picture<'g> {
        Picture::new(plan.graph(), plan.waves().collect(), causes_in_plan(plan))
    }

    fn new(graph: &'g Graph, mut waves: Vec<Range<usize>>, causes: Vec<Cause>) -> Picture<'g> {
        let total = Total {
            waves: waves.len(),
            nodes: graph.nodes.len(),
        };
        waves.retain(|wave| wave.start < MAX_NODES);
        if let Some(last) = waves.last_mut() {
            last.end = last.end.min(MAX_NODES);
        }
        let drawn = waves.last().map_or(0, |last| last.end);
        let steps: Vec<Step<'_>> = graph.nodes[..drawn].iter().map(Node::step).collect();
        let (edges, edges_complete) = immediate_hazards(&steps);
        Picture {
            graph,
            names: Names::new(graph),
            waves,
            causes,
            edges,
            total,
            edges_complete,
        }
    }

    /// Why there is a barrier in front of a wave; none where there is none.
    fn cause(&self, wave: usize) -> Option<&Cause> {
        wave.checked_sub(1)
            .and_then(|before| self.causes.get(before))
    }

    fn drawn(&self) -> usize {
        self.waves.last().map_or(0, |last| last.end)
    }

    /// What a reader must know of what is missing, if anything is.
    fn left_out(&self) -> Option<String> {
        let Total { waves, nodes } = self.total;
        let more = (self.drawn() < nodes).then(|| {
            format!(
                "the first {} of {nodes} nodes and {} of {waves} waves are drawn",
                self.drawn(),
                self.waves.len()
            )
        });
        let edges = (!self.edges_complete).then(|| "not all hazards are drawn".to_owned());
        let parts: Vec<String> = more.into_iter().chain(edges).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Graph {
    /// A description in Graphviz' language: waves in program order as clusters from left to right, hazards as edges
    /// with their kind and bytes. Hazards that others imply are left out, and so are nodes beyond 4,096.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::dot(&Picture::of_graph(self))
    }

    /// A picture as SVG: waves in program order as columns, nodes as boxes coloured by their kind of operation, hazards
    /// as lines, scopes as brackets above. It needs no other program, and follows the viewer's light or dark
    /// scheme. What [`Graph::to_dot`] leaves out is left out here, too.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::svg(&Picture::of_graph(self))
    }
}

impl Plan {
    /// As [`Graph::to_dot`], with the plan's waves; fused nodes are clusters of what they stand for.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::dot(&Picture::of_plan(self))
    }

    /// As [`Graph::to_svg`], with the plan's waves; fused nodes list what they stand for.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::svg(&Picture::of_plan(self))
    }
}
