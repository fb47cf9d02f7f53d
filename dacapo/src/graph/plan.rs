use core::ops::Range;

use crate::graph::Graph;

/// A graph whose nodes have been put into waves: what is in one wave may run at the same time, and a barrier stands
/// between any two.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its nodes are in the order in which they are submitted.
    graph: Graph,
    /// Where each wave ends, as an index into the nodes.
    wave_ends: Vec<u32>,
}

impl Plan {
    /// The graph as it runs: with fused nodes, in the order of submission.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// For each node in the order of submission, its place in the program.
    pub(crate) fn places(&self) -> Vec<u32> {
        (0..self.graph.nodes.len() as u32).collect()
    }

    /// The waves, as ranges of the graph's nodes. None is empty.
    pub fn waves(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        (0..self.wave_ends.len()).map(|wave| {
            let start = wave.checked_sub(1).map_or(0, |last| self.wave_ends[last]);
            start as usize..self.wave_ends[wave] as usize
        })
    }
}

impl Graph {
    /// Puts the nodes into waves.
    pub fn plan(&self) -> Plan {
        let barriers = self.barriers();
        let mut wave_ends: Vec<u32> = barriers.iter().map(|barrier| barrier.before).collect();
        wave_ends.push(self.nodes.len() as u32);
        wave_ends.dedup();
        wave_ends.retain(|end| *end > 0);
        Plan {
            graph: self.clone(),
            wave_ends,
        }
    }
}
