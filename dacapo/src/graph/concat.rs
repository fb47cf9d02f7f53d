use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::capture::Discard;
use crate::graph::{Fused, Graph, Node, ScopeId};
use crate::options::Hazards;

impl Graph {
    /// These graphs one after the other, as if they had been captured in one go. A barrier at the end of one stays in
    /// front of the next. The result has the strictest hazards among theirs: a graph with manual hazards relies on its
    /// own barriers, also where it meets the next one.
    ///
    /// ```
    /// # use dacapo::{Device, DeviceOptions, Graph, MemoryKind};
    /// # let device = Device::open(&DeviceOptions::default())?;
    /// let buffer = device.buffer(64, MemoryKind::DeviceLocal)?;
    /// let fill = |value| Graph::capture(&device, |encoder| encoder.fill(&buffer, value));
    /// let (first, second) = (fill(1)?, fill(2)?);
    /// let both = Graph::concat(&[&first, &second])?;
    /// assert_eq!(both.nodes().len(), 2);
    /// assert_eq!(both.barriers().len(), 1); // both write the buffer
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ForeignDevice`] when they are of different devices, [`Error::NoGraphs`] when there are none.
    pub fn concat(graphs: &[&Graph]) -> Result<Graph> {
        let (first, rest) = graphs.split_first().ok_or(Error::NoGraphs)?;
        let mut all = (*first).clone();
        for graph in rest {
            all.append(graph)?;
        }
        Ok(all)
    }

    /// This graph, and `next` after it; see [`Graph::concat`].
    ///
    /// # Errors
    /// [`Error::ForeignDevice`] when they are of different devices.
    pub fn then(&self, next: &Graph) -> Result<Graph> {
        Graph::concat(&[self, next])
    }

    fn append(&mut self, next: &Graph) -> Result<()> {
        if !Arc::ptr_eq(&self.device.core, &next.device.core) {
            return Err(Error::ForeignDevice {
                what: format!("a graph of {} nodes", next.nodes.len()).into(),
                device: self.device.info().name.as_str().into(),
            });
        }
        let (nodes, scopes) = (self.nodes.len() as u32, self.scopes.len() as u32);
        let captured = self.nodes.iter().map(captured).sum();
        let moved = |scope: Option<ScopeId>| scope.map(|ScopeId(id)| ScopeId(id + scopes));
        let mut added = next.nodes.iter().map(|node| Node {
            scope: moved(node.scope),
            fused: node.fused.as_deref().map(|it| Arc::new(it.after(captured))),
            ..node.clone()
        });
        let first = added.next().map(|node| Node {
            barrier_before: node.barrier_before || self.ends_with_barrier,
            ..node
        });
        self.ends_with_barrier = match first {
            Some(_) => next.ends_with_barrier,
            None => self.ends_with_barrier || next.ends_with_barrier,
        };
        self.nodes.extend(first.into_iter().chain(added));
        self.scopes
            .extend(next.scopes.iter().cloned().map(|mut it| {
                it.parent = moved(it.parent);
                it
            }));
        self.discards.extend(next.discards.iter().map(|it| Discard {
            after: it.after + nodes,
            view: it.view.clone(),
        }));
        self.hazards = strictest(self.hazards, next.hazards);
        Ok(())
    }
}

/// How many captured nodes a node stands for.
fn captured(node: &Node) -> u32 {
    node.fused().map_or(1, |fused| fused.parts.len() as u32)
}

impl Fused {
    /// This in a graph that has `captured` nodes before it.
    fn after(&self, captured: u32) -> Fused {
        let mut moved = self.clone();
        moved.parts.iter_mut().for_each(|it| it.index += captured);
        moved
    }
}

fn strictest(a: Hazards, b: Hazards) -> Hazards {
    match (a, b) {
        (Hazards::Serial, _) | (_, Hazards::Serial) => Hazards::Serial,
        (Hazards::Auto, _) | (_, Hazards::Auto) => Hazards::Auto,
        (Hazards::Manual, Hazards::Manual) => Hazards::Manual,
    }
}
