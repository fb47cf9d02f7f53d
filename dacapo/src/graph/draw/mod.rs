//! Graphs and plans as text and as pictures.

mod cause;
mod dot;
mod edges;
mod names;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use core::ops::Range;

use crate::encoder::Uses;
use crate::graph::{Graph, Plan};
use cause::{Cause, causes};
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
    /// Waves, nodes and barriers of all, drawn or not.
    total: [usize; 3],
    /// Whether all hazards among the drawn nodes were found.
    edges_complete: bool,
}

impl<'g> Picture<'g> {
    fn new(graph: &'g Graph, mut waves: Vec<Range<usize>>) -> Picture<'g> {
        let total = [
            waves.len(),
            graph.nodes.len(),
            waves.len().saturating_sub(1),
        ];
        waves.retain(|wave| wave.start < MAX_NODES);
        if let Some(last) = waves.last_mut() {
            last.end = last.end.min(MAX_NODES);
        }
        let drawn = waves.last().map_or(0, |last| last.end);
        let uses = graph.nodes[..drawn].iter();
        let uses: Vec<Uses<'_>> = uses.map(|it| it.kernel.uses(&it.accesses)).collect();
        let (edges, edges_complete) = immediate_hazards(&uses);
        Picture {
            graph,
            names: Names::new(graph),
            causes: causes(graph, &waves),
            waves,
            edges,
            total,
            edges_complete,
        }
    }

    fn drawn(&self) -> usize {
        self.waves.last().map_or(0, |last| last.end)
    }

    /// What a reader must know of what is missing, if anything is.
    fn left_out(&self) -> Option<String> {
        let [waves, nodes, _] = self.total;
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
        dot::dot(&Picture::new(self, self.waves_in_order()))
    }

    /// A picture as SVG: waves in program order as columns, nodes as boxes coloured by their kind of operation, hazards
    /// as lines, scopes as brackets above. It needs no other program, and follows the viewer's light or dark
    /// scheme. What [`Graph::to_dot`] leaves out is left out here, too.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::svg(&Picture::new(self, self.waves_in_order()))
    }

    /// The waves of a replay.
    fn waves_in_order(&self) -> Vec<Range<usize>> {
        let mut ends: Vec<u32> = self.barriers().iter().map(|it| it.before).collect();
        ends.push(self.nodes.len() as u32);
        let mut start = 0;
        let waves = ends.into_iter().map(|end| {
            let wave = start..end as usize;
            start = wave.end;
            wave
        });
        waves.filter(|wave| !wave.is_empty()).collect()
    }
}

impl Plan {
    /// As [`Graph::to_dot`], with the plan's waves; fused nodes are clusters of what they stand for.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::dot(&Picture::new(self.graph(), self.waves().collect()))
    }

    /// As [`Graph::to_svg`], with the plan's waves; fused nodes list what they stand for.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::svg(&Picture::new(self.graph(), self.waves().collect()))
    }
}
