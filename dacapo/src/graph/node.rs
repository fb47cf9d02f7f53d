use core::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::access::Access;
use crate::arg::{Arg, Value};
use crate::backend::INDIRECT_BYTES;
use crate::encoder::USUAL_BINDINGS;
use crate::graph::dag::Step;
use crate::grid::{Extent, Grid, threads_of};
use crate::hazard::RangeAccess;
use crate::kernel::Kernel;
use crate::memory::BufferView;
use crate::profile::{Dispatched, Work};
use crate::range::ByteRange;

/// One dispatch of a graph.
#[derive(Clone)]
pub struct Node {
    pub(crate) kernel: Kernel,
    pub(crate) args: Vec<NodeArg>,
    pub(crate) inline: Vec<u8>,
    pub(crate) grid: NodeGrid,
    pub(crate) accesses: Vec<RangeAccess>,
    pub(crate) barrier_before: bool,
    pub(crate) scope: Option<ScopeId>,
    pub(crate) fused: Option<Arc<Fused>>,
}

/// Which nodes a fused one stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fused {
    /// The rule that fired last.
    pub rule: &'static str,
    /// The captured nodes, in program order.
    pub parts: Vec<FusedPart>,
}

/// A captured node that is part of a fused one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusedPart {
    /// Its place in the captured graph.
    pub index: u32,
    /// Its kernel's name.
    pub kernel: Box<str>,
    /// Its kind of operation.
    pub op: Box<str>,
}

/// A view bound at a slot.
#[derive(Clone, Debug)]
pub struct NodeArg {
    /// The slot.
    pub slot: u32,
    /// What the kernel does with it.
    pub access: Access,
    /// The bytes that are bound.
    pub view: BufferView,
}

/// The grid of a node.
#[derive(Clone, Debug)]
pub struct NodeGrid {
    pub(crate) extent: NodeExtent,
    /// Bytes of dynamic shared memory asked for.
    pub shared_bytes: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeExtent {
    Groups([u32; 3]),
    Threads([u32; 3]),
    Indirect(BufferView),
}

/// A scope of the graph. Two scopes with the same label are two scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ScopeLabel {
    pub(crate) parent: Option<ScopeId>,
    pub(crate) label: String,
}

impl Node {
    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The kind of operation, as the kernel's source says.
    pub fn op_kind(&self) -> &str {
        self.kernel.op_kind()
    }

    /// The bound views, in the order of the kernel's slots.
    pub fn args(&self) -> &[NodeArg] {
        &self.args
    }

    /// What is bound at `slot`, if anything is.
    pub fn view(&self, slot: u32) -> Option<&BufferView> {
        self.arg(slot).map(|arg| &arg.view)
    }

    pub(crate) fn arg(&self, slot: u32) -> Option<&NodeArg> {
        self.args.iter().find(|arg| arg.slot == slot)
    }

    /// The views it uses: those that are bound, and that of its grid.
    pub(crate) fn views(&self) -> impl Iterator<Item = &BufferView> {
        let grid = match &self.grid.extent {
            NodeExtent::Indirect(view) => Some(view),
            NodeExtent::Groups(_) | NodeExtent::Threads(_) => None,
        };
        self.args.iter().map(|arg| &arg.view).chain(grid)
    }

    /// What it was dispatched with.
    pub(crate) fn arguments(&self) -> SmallVec<[Arg<'_>; USUAL_BINDINGS + 1]> {
        let views = self.args.iter().map(|arg| Arg::view(&arg.view));
        let inline = Arg {
            slot: None,
            value: Value::Bytes(&self.inline),
        };
        views.chain([inline]).collect()
    }

    /// The inline constants.
    pub fn inline(&self) -> &[u8] {
        &self.inline
    }

    /// The grid.
    pub fn grid(&self) -> &NodeGrid {
        &self.grid
    }

    /// The bytes it touches, of memory that anything may write: read-only imports are not listed.
    pub fn accesses(&self) -> &[RangeAccess] {
        &self.accesses
    }

    /// Sets `accesses` to what the arguments and the grid touch.
    pub(crate) fn note_accesses(&mut self) {
        let args = self
            .args
            .iter()
            .map(|arg| (&arg.view, arg.view.range(), arg.access));
        let grid = self.grid.indirect().map(|view| {
            let range = ByteRange::new(view.offset(), view.offset() + INDIRECT_BYTES);
            (view, range, Access::Read)
        });
        let tracked = args.chain(grid).filter(|(view, ..)| !view.is_read_only());
        let accesses = tracked.map(|(view, range, access)| RangeAccess {
            allocation: view.allocation(),
            range,
            access,
        });
        self.accesses = accesses.collect();
    }

    /// Says anew what the kernel does with what is bound at `slot`.
    pub(super) fn declare(&mut self, slot: u32, access: Access) {
        for arg in self.args.iter_mut().filter(|arg| arg.slot == slot) {
            arg.access = access;
        }
        self.note_accesses();
    }

    pub(crate) fn step(&self) -> Step<'_> {
        Step {
            accesses: &self.accesses,
            unknown: self.kernel.interface().touches_anything(),
            fence: self.barrier_before,
        }
    }

    /// Whether the caller put a barrier in front of it.
    pub fn barrier_before(&self) -> bool {
        self.barrier_before
    }

    /// What it stands for, if a rule of fusion made it.
    pub fn fused(&self) -> Option<&Fused> {
        self.fused.as_deref()
    }

    /// What there is to do, in a submission of this extent ([`Dispatched::extent`]).
    pub fn work(&self, extent: Option<u64>) -> Work {
        let bound = self.args.iter().map(|arg| (arg.slot, arg.view.len()));
        let bound: SmallVec<[_; USUAL_BINDINGS]> = bound.collect();
        let threads = match self.grid.extent {
            NodeExtent::Groups(groups) => threads_of(groups, self.kernel.interface().workgroup()),
            NodeExtent::Threads(threads) => threads,
            NodeExtent::Indirect(_) => [0; 3],
        };
        let call = Dispatched::new(&self.inline, &bound, threads).with_extent(extent);
        self.kernel.work_of(&call)
    }

    /// The innermost scope around it.
    pub fn scope(&self) -> Option<ScopeId> {
        self.scope
    }
}

impl NodeGrid {
    pub(crate) fn new(grid: Grid<'_>) -> NodeGrid {
        let extent = match grid.extent {
            Extent::Groups(groups) => NodeExtent::Groups(groups),
            Extent::Threads(threads) => NodeExtent::Threads(threads),
            Extent::Indirect(view) => NodeExtent::Indirect(view.clone()),
        };
        NodeGrid {
            extent,
            shared_bytes: grid.shared_bytes,
        }
    }

    /// Where the number of workgroups is read from, if it is not known before the dispatch starts.
    pub fn indirect(&self) -> Option<&BufferView> {
        match &self.extent {
            NodeExtent::Indirect(view) => Some(view),
            NodeExtent::Groups(_) | NodeExtent::Threads(_) => None,
        }
    }

    /// The grid as it was given to the dispatch.
    pub fn as_grid(&self) -> Grid<'_> {
        let extent = match &self.extent {
            NodeExtent::Groups(groups) => Extent::Groups(*groups),
            NodeExtent::Threads(threads) => Extent::Threads(*threads),
            NodeExtent::Indirect(view) => Extent::Indirect(view),
        };
        Grid {
            extent,
            shared_bytes: self.shared_bytes,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kernel.name(), self.grid.extent)?;
        for arg in &self.args {
            write!(f, " [{} {} {:?}]", arg.slot, arg.access, arg.view)?;
        }
        Ok(())
    }
}
