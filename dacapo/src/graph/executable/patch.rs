use std::collections::BTreeMap;
use std::sync::Arc;

use crate::encoder::{Checked, DispatchProblem, check};
use crate::error::{Error, Result};
use crate::graph::executable::error::{PatchError, PatchProblem};
use crate::graph::executable::{Executable, topology};
use crate::graph::node::NodeExtent;
use crate::graph::{Node, NodeGrid};
use crate::grid::{Extent, Grid};
use crate::memory::BufferView;
use crate::range::ByteRange;

/// Changes to the nodes of an executable that take effect together, or not at all.
#[derive(Debug)]
pub struct Patch<'e> {
    executable: &'e Executable,
    /// Patched nodes by their places.
    nodes: BTreeMap<usize, Node>,
    /// Whether any binds other memory.
    rebound: bool,
}

impl Executable {
    /// Changes nodes for the launches to come; launches in flight run as they were. Commands are recorded again before
    /// the next launch, and only the parts that have changed.
    ///
    /// Conflicts between nodes are looked for once all changes are made, so that nodes can exchange what they bind. If
    /// `change` or a check fails, nothing has changed.
    ///
    /// ```
    /// # use dacapo::{Device, DeviceOptions, Graph, MemoryKind, PlanOptions};
    /// # let device = Device::open(&DeviceOptions::default())?;
    /// # let [a, b] = [(); 2].map(|()| device.buffer(64, MemoryKind::DeviceLocal).unwrap());
    /// let graph = Graph::capture(&device, |encoder| encoder.fill(&a, 7))?;
    /// let mut executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    /// let first = executable.launch("fill a")?;
    /// executable.patch(|patch| {
    ///     patch.set_inline(0, &9u32.to_ne_bytes())?;
    ///     patch.rebind(0, 0, &b)
    /// })?;
    /// executable.launch("fill b")?;
    /// assert_eq!((a.read::<u8>()?[0], b.read::<u8>()?[0]), (7, 9));
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `change`, and [`Error::TopologyChanged`] when nodes would conflict that the plan has not kept apart.
    pub fn patch(&mut self, change: impl FnOnce(&mut Patch<'_>) -> Result<()>) -> Result<()> {
        let mut patch = Patch {
            executable: self,
            nodes: BTreeMap::new(),
            rebound: false,
        };
        change(&mut patch)?;
        let Patch { nodes, rebound, .. } = patch;
        topology::check(self, &nodes).map_err(|change| Error::TopologyChanged(Arc::new(change)))?;
        self.replace(nodes, rebound);
        Ok(())
    }

    /// [`Patch::set_inline`] alone.
    ///
    /// # Errors
    /// As there.
    pub fn set_inline(&mut self, node: usize, bytes: &[u8]) -> Result<()> {
        self.patch(|patch| patch.set_inline(node, bytes))
    }

    /// [`Patch::set_grid`] alone.
    ///
    /// # Errors
    /// As there, and [`Error::TopologyChanged`].
    pub fn set_grid(&mut self, node: usize, grid: Grid<'_>) -> Result<()> {
        self.patch(|patch| patch.set_grid(node, grid))
    }

    /// [`Patch::rebind`] alone.
    ///
    /// # Errors
    /// As there, and [`Error::TopologyChanged`].
    pub fn rebind(&mut self, node: usize, slot: u32, view: &BufferView) -> Result<()> {
        self.patch(|patch| patch.rebind(node, slot, view))
    }

    /// [`Patch::rebind_all`] alone.
    ///
    /// # Errors
    /// As there, and [`Error::TopologyChanged`].
    pub fn rebind_all(&mut self, old: &BufferView, new: &BufferView) -> Result<()> {
        self.patch(|patch| patch.rebind_all(old, new).map(drop))
    }
}

impl Patch<'_> {
    /// Gives a node other inline constants.
    ///
    /// # Errors
    /// [`Error::Patch`] when there is no such node, or its kernel takes another number of bytes.
    pub fn set_inline(&mut self, node: usize, bytes: &[u8]) -> Result<()> {
        self.change(node, |changed| {
            changed.inline = bytes.to_vec();
            Ok(())
        })
    }

    /// Gives a node another grid.
    ///
    /// # Errors
    /// [`Error::Patch`] when there is no such node, or the grid cannot be dispatched.
    pub fn set_grid(&mut self, node: usize, grid: Grid<'_>) -> Result<()> {
        self.rebound |= matches!(grid.extent, Extent::Indirect(_));
        self.change(node, |changed| {
            changed.grid = NodeGrid::new(grid);
            Ok(())
        })
    }

    /// Binds another view of the same length at a slot of a node.
    ///
    /// # Errors
    /// [`Error::Patch`] when there is no such node or slot, and for a view that has another length or that the slot
    /// cannot take.
    pub fn rebind(&mut self, node: usize, slot: u32, view: &BufferView) -> Result<()> {
        self.rebound = true;
        self.change(node, |changed| {
            let slots = changed.args.iter().map(|arg| arg.slot).collect();
            let Some(arg) = changed.args.iter_mut().find(|arg| arg.slot == slot) else {
                let problem = DispatchProblem::UnknownSlot { slot, slots };
                return Err(PatchProblem::Dispatch(problem));
            };
            let (given, bound) = (view.len(), arg.view.len());
            if given != bound {
                return Err(PatchProblem::Length { slot, given, bound });
            }
            arg.view = view.clone();
            Ok(())
        })
    }

    /// Binds the bytes of `new` wherever those of `old` are bound, whole or in parts, and reads grids from there that
    /// were in `old`; gives the number of nodes that this changes.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] when the two differ in length, and [`Error::Patch`] when a node binds bytes of `old`
    /// together with bytes around it, or cannot take the new view.
    pub fn rebind_all(&mut self, old: &BufferView, new: &BufferView) -> Result<usize> {
        if old.len() != new.len() {
            return Err(Error::LengthMismatch {
                what: "rebinding",
                given: new.len(),
                len: old.len(),
            });
        }
        self.rebound = true;
        let mut rebound = 0;
        for at in 0..self.executable.graph.nodes.len() {
            if !self.node(at).views().any(|view| meets(view, old)) {
                continue;
            }
            rebound += 1;
            self.change(at, |node| {
                let grid = match &mut node.grid.extent {
                    NodeExtent::Indirect(view) => Some(view),
                    NodeExtent::Groups(_) | NodeExtent::Threads(_) => None,
                };
                let views = node.args.iter_mut().map(|arg| &mut arg.view).chain(grid);
                for view in views.filter(|view| meets(view, old)) {
                    let (bound, replaced) = (view.range, old.range);
                    let moved = ByteRange::new(
                        bound.start.saturating_sub(replaced.start),
                        bound.end.saturating_sub(replaced.start),
                    );
                    match new.range.sub(moved).filter(|_| replaced.contains(bound)) {
                        Some(range) => {
                            *view = BufferView {
                                range,
                                ..new.clone()
                            }
                        }
                        None => {
                            let buffer = view.label().into();
                            return Err(PatchProblem::Straddles {
                                buffer,
                                bound,
                                replaced,
                            });
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok(rebound)
    }

    /// A node as patched so far.
    fn node(&self, at: usize) -> &Node {
        let patched = self.nodes.get(&at);
        patched.unwrap_or(&self.executable.graph.nodes[at])
    }

    fn change(
        &mut self,
        at: usize,
        change: impl FnOnce(&mut Node) -> Result<(), PatchProblem>,
    ) -> Result<()> {
        let nodes = self.executable.graph.nodes.len();
        let refused = |kernel: Box<str>, problem| {
            Error::Patch(Arc::new(PatchError {
                node: at,
                kernel,
                problem,
            }))
        };
        if at >= nodes {
            return Err(refused(Box::default(), PatchProblem::NoSuchNode { nodes }));
        }
        let mut node = self.node(at).clone();
        let kernel = node.kernel.clone();
        change(&mut node)
            .and_then(|()| {
                let mut checked = Checked::new();
                let args = node.arguments();
                let core = &self.executable.device.core;
                check(core, &kernel, &args, &node.grid.as_grid(), &mut checked)
                    .map_err(|error| PatchProblem::Dispatch(error.problem))?;
                Ok(checked.accesses.to_vec())
            })
            .map(|accesses| {
                node.accesses = accesses;
                self.nodes.insert(at, node);
            })
            .map_err(|problem| refused(kernel.name().into(), problem))
    }
}

fn meets(view: &BufferView, other: &BufferView) -> bool {
    view.allocation() == other.allocation() && view.range.overlaps(&other.range)
}
