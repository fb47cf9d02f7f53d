use std::collections::HashMap;
use std::time::Duration;

use crate::encoder::EncoderOptions;
use crate::error::Result;
use crate::graph::node::NodeExtent;
use crate::graph::{Graph, Node};
use crate::options::Hazards;

/// How long nodes take, by kernel and grid: what decides between equally short plans.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    measured: HashMap<Key, Duration>,
}

/// Nodes that take as long as each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    kernel: Box<str>,
    extent: [u32; 3],
    bytes: u64,
}

/// Times that a node runs in one submission while it is measured, and submissions, of which the fastest counts.
const TURNS: u32 = 8;
const SUBMISSIONS: usize = 5;

/// Where nothing was measured: the bytes that a slow GPU moves in a nanosecond.
const BYTES_PER_NANOSECOND: f64 = 100.0;

impl Costs {
    /// Measures each kind of node of a graph alone. Nodes run on the graph's own buffers, many times over: what those hold
    /// afterwards means nothing.
    ///
    /// # Errors
    /// Those of [`CommandEncoder::commit`](crate::CommandEncoder::commit), and of the submissions.
    pub fn measure(graph: &Graph) -> Result<Costs> {
        let mut costs = Costs::default();
        for node in graph.nodes() {
            let key = Key::new(node);
            if costs.measured.contains_key(&key) {
                continue;
            }
            let mut best = Duration::MAX;
            for _ in 0..SUBMISSIONS {
                let mut encoder = graph.device.encoder_with(EncoderOptions {
                    label: "measuring",
                    hazards: Some(Hazards::Serial),
                    ..EncoderOptions::default()
                })?;
                for _ in 0..TURNS {
                    encoder.dispatch(&node.kernel, &node.arguments()[..], node.grid.as_grid())?;
                }
                let submission = encoder.commit()?;
                submission.wait()?;
                best = best.min(submission.gpu_time().unwrap_or_default() / TURNS);
            }
            costs.measured.insert(key, best);
        }
        Ok(costs)
    }

    /// What was measured of a node like this one, alone.
    pub fn get(&self, node: &Node) -> Option<Duration> {
        self.measured.get(&Key::new(node)).copied()
    }

    /// Nanoseconds; from the bytes that are bound where nothing was measured.
    pub(crate) fn nanoseconds(&self, node: &Node) -> f64 {
        let bound = || node.args.iter().map(|arg| arg.view.len()).sum::<u64>() as f64;
        let measured = self.get(node).map(|time| time.as_nanos() as f64);
        measured.unwrap_or_else(|| bound() / BYTES_PER_NANOSECOND)
    }
}

impl Key {
    fn new(node: &Node) -> Key {
        Key {
            kernel: node.kernel.name().into(),
            extent: match node.grid.extent {
                NodeExtent::Groups(extent) | NodeExtent::Threads(extent) => extent,
                NodeExtent::Indirect(_) => [0; 3],
            },
            bytes: node.args.iter().map(|arg| arg.view.len()).sum(),
        }
    }
}
