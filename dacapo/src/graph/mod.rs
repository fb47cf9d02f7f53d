//! Forward passes recorded once, to be inspected and played again.

mod capture;
mod concat;
mod costs;
mod dag;
mod draw;
mod executable;
mod file;
mod fusion;
mod node;
mod plan;
mod rename;
mod schedule;

use core::fmt;

use smallvec::SmallVec;

use crate::access::Access;
use crate::device::Device;
use crate::encoder::{Barrier, BarrierCause, CommandEncoder, EncoderOptions, Waves};
use crate::error::{Error, Result};
use crate::options::Hazards;
use crate::profile::spanned;
use crate::submission::Submission;

pub(crate) use capture::Capture;
use capture::Discard;
pub use costs::Costs;
pub use executable::{
    Executable, Launch, ParameterBlock, Patch, PatchError, PatchProblem, Place, Split,
    TopologyChange, Update,
};
pub use file::{
    BufferKey, Contents, FileBuffer, FileGrid, FileKernel, FileNode, FileOptions, FileSource,
    FileView, GraphFile, GraphFileError, LoadedGraph,
};
pub use fusion::{Fired, FusionReport, FusionRule, Link, Match, MissReason, NearMiss, Port, Unfit};
use node::ScopeLabel;
pub use node::{Fused, FusedPart, Node, NodeArg, NodeGrid, ScopeId};
pub use plan::{CriticalNode, Explanation, Plan, PlanOptions, PlanReport, PlannedBarrier, Shape};
pub use rename::Renamed;
pub use schedule::Reorder;

/// The scopes that an encoder has entered, outermost first.
type OpenScopes = SmallVec<[ScopeId; 8]>;

/// What brings an encoder from one scope to another.
enum ScopeStep<'a> {
    Begin(&'a str),
    End,
}

impl ScopeStep<'_> {
    fn take(self, encoder: &mut CommandEncoder) {
        match self {
            ScopeStep::Begin(label) => encoder.begin_scope(label),
            ScopeStep::End => encoder.end_scope(),
        }
    }
}

/// A recorded sequence of dispatches with the buffers they bind.
///
/// Nodes keep program order, and carry what planning needs: kernel, op kind, arguments, grid, the byte ranges
/// they touch, the scope they were encoded in, and whether the caller put a barrier in front.
#[derive(Clone)]
pub struct Graph {
    device: Device,
    hazards: Hazards,
    nodes: Vec<Node>,
    scopes: Vec<ScopeLabel>,
    /// In the order of the capture.
    discards: Vec<Discard>,
    ends_with_barrier: bool,
}

impl Graph {
    /// Records what `encode` encodes, as strictly as if it were to be submitted, and runs none of it.
    ///
    /// ```
    /// # use dacapo::{Device, DeviceOptions, Graph, MemoryKind};
    /// # let device = Device::open(&DeviceOptions::default())?;
    /// let buffer = device.buffer(64, MemoryKind::DeviceLocal)?;
    /// let graph = Graph::capture(&device, |encoder| encoder.fill(&buffer, 7))?;
    /// assert_eq!(buffer.read::<u8>()?, [0; 64]);
    /// graph.replay("fill")?.wait()?;
    /// assert_eq!(buffer.read::<u8>()?, [7; 64]);
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `encode`.
    pub fn capture<E: From<Error>>(
        device: &Device,
        encode: impl FnOnce(&mut CommandEncoder) -> Result<(), E>,
    ) -> Result<Graph, E> {
        Graph::capture_with(device, None, encode)
    }

    /// As [`Graph::capture`], for an encoder with these hazards; the replay uses them too.
    ///
    /// # Errors
    /// Those of `encode`.
    pub fn capture_with<E: From<Error>>(
        device: &Device,
        hazards: Option<Hazards>,
        encode: impl FnOnce(&mut CommandEncoder) -> Result<(), E>,
    ) -> Result<Graph, E> {
        let _span = spanned!(device.core, "capture", "");
        let mut encoder = CommandEncoder::capture(device, hazards);
        encode(&mut encoder)?;
        let hazards = encoder.hazards();
        let capture = encoder.into_capture().unwrap_or_default();
        let captured = capture.finish();
        Ok(Graph {
            device: device.clone(),
            hazards,
            nodes: captured.nodes,
            scopes: captured.scopes,
            discards: captured.discards,
            ends_with_barrier: captured.ends_with_barrier,
        })
    }

    /// The nodes in program order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// This graph with a node that declares another access to what it binds at `slot`, rightly or not. For tests of
    /// whatever looks for wrong declarations.
    #[doc(hidden)]
    #[must_use]
    pub fn with_access(&self, node: usize, slot: u32, access: Access) -> Graph {
        let mut graph = self.clone();
        if let Some(node) = graph.nodes.get_mut(node) {
            node.declare(slot, access);
        }
        graph
    }

    /// The labels of the scopes around a node, outermost first.
    pub fn scope_path(&self, node: &Node) -> Vec<&str> {
        let path = self.scope_ids(node.scope);
        path.iter()
            .map(|id| self.scopes[id.index()].label.as_str())
            .collect()
    }

    /// The barriers that a replay puts, each with its cause.
    pub fn barriers(&self) -> Vec<Barrier> {
        let order = self.device.core.order(Some(self.hazards));
        let mut waves = Waves::default();
        for Node {
            kernel,
            accesses,
            barrier_before,
            ..
        } in &self.nodes
        {
            if *barrier_before {
                waves.barrier(BarrierCause::Explicit);
            }
            let cause = waves.cause(order, kernel.uses(accesses));
            if let Some(cause) = cause.filter(|_| order.puts_barriers()) {
                waves.barrier(cause);
            }
            waves.dispatch(order, kernel.uses(accesses));
        }
        if self.ends_with_barrier {
            waves.barrier(BarrierCause::Explicit);
        }
        waves.into_barriers()
    }

    /// Encodes every node again, in program order, with explicit barriers where they were and inferred ones
    /// where the encoder's hazards ask for them.
    ///
    /// # Errors
    /// Those of [`CommandEncoder::dispatch`], such as for an encoder of another device.
    pub fn encode(&self, encoder: &mut CommandEncoder) -> Result<()> {
        encoder.count_replay();
        let mut open = OpenScopes::new();
        for node in &self.nodes {
            if node.barrier_before {
                encoder.barrier();
            }
            self.enter_scope(node.scope, &mut open, |step| step.take(encoder));
            let encoded =
                encoder.dispatch(&node.kernel, &node.arguments()[..], node.grid.as_grid());
            if encoded.is_err() {
                self.enter_scope(None, &mut open, |step| step.take(encoder));
                return encoded;
            }
        }
        self.enter_scope(None, &mut open, |step| step.take(encoder));
        if self.ends_with_barrier {
            encoder.barrier();
        }
        Ok(())
    }

    /// Encodes the graph into an encoder of its own with this label, and commits it.
    ///
    /// # Errors
    /// Those of [`CommandEncoder::commit`].
    pub fn replay(&self, label: &str) -> Result<Submission> {
        let options = EncoderOptions {
            label,
            hazards: Some(self.hazards),
            ..EncoderOptions::default()
        };
        let mut encoder = self.device.encoder_with(options)?;
        self.encode(&mut encoder)?;
        encoder.commit()
    }

    /// The scopes around a scope, outermost first, and itself.
    fn scope_ids(&self, scope: Option<ScopeId>) -> OpenScopes {
        let mut path = OpenScopes::new();
        let mut at = scope;
        while let Some(id) = at {
            path.push(id);
            at = self.scopes.get(id.index()).and_then(|scope| scope.parent);
        }
        path.reverse();
        path
    }

    /// Closes and opens scopes until exactly those around `target` are open.
    fn enter_scope(
        &self,
        target: Option<ScopeId>,
        open: &mut OpenScopes,
        mut take: impl FnMut(ScopeStep<'_>),
    ) {
        if open.last().copied() == target {
            return;
        }
        let path = self.scope_ids(target);
        let shared = open.iter().zip(&path).take_while(|(a, b)| a == b).count();
        for _ in shared..open.len() {
            take(ScopeStep::End);
        }
        open.truncate(shared);
        for id in &path[shared..] {
            take(ScopeStep::Begin(&self.scopes[id.index()].label));
            open.push(*id);
        }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.nodes).finish()
    }
}
