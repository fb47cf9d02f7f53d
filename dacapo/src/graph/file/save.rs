//! From a graph to a file.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::graph::file::contents::extents;
use crate::graph::file::needed::read_first;
use crate::graph::file::{
    FileBuffer, FileDiscard, FileGrid, FileKernel, FileNode, FileScope, FileSource, FileView,
    GraphFile, GraphFileError, MAX_SCOPE_DEPTH,
};
use crate::graph::node::NodeExtent;
use crate::graph::{Graph, Node, ScopeId};
use crate::hazard::AllocationId;
use crate::kernel::Kernel;
use crate::memory::{Allocation, BufferView};
use crate::range::ByteRange;

/// What goes into a capture file besides the graph itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whose contents.
    pub contents: Contents,
    /// Leaves out the contents of what nothing can write, such as a model's weights.
    pub without_read_only: bool,
}

/// The buffers whose contents go into a capture file, as they are when it is written. Long runs of zeros take no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// None.
    #[default]
    None,
    /// Those of which bytes are read before the graph has overwritten them: what a replay needs to give the same result.
    ReadFirst,
    /// All.
    All,
}

impl Graph {
    /// This graph as a capture file for [`GraphFile::read`]. Native forms of kernels and what fused nodes stand for
    /// are not in it. Labels of buffers and scopes are, as they are.
    ///
    /// # Errors
    /// [`GraphFileError::Nesting`] for scopes more than 256 deep; where contents are asked for, those of
    /// [`BufferView::read`].
    pub fn to_file(&self, options: &FileOptions) -> Result<Vec<u8>> {
        let mut tables = Tables::default();
        let nodes = self.nodes.iter().map(|node| tables.node(node)).collect();
        let discards = self.discards.iter().map(|it| FileDiscard {
            after: it.after,
            view: tables.view(&it.view),
        });
        let discards = discards.collect();
        let with_contents = self.with_contents(options, &tables);
        let mut buffers = Vec::with_capacity(tables.buffers.len());
        for view in &tables.buffers {
            let Allocation {
                label,
                size,
                kind,
                read_only,
                ..
            } = &*view.allocation;
            let stored = with_contents.contains(&view.allocation());
            buffers.push(FileBuffer {
                label,
                size: *size,
                kind: *kind,
                read_only: *read_only,
                stored,
                extents: match stored {
                    true => extents(&whole(view).read::<u8>()?),
                    false => Vec::new(),
                },
            });
        }
        let file = GraphFile {
            hazards: self.hazards,
            ends_with_barrier: self.ends_with_barrier,
            subgroup_size: self.device.gpu().map(|gpu| gpu.subgroup_size),
            kernels: tables.kernels.iter().map(|it| file_kernel(it)).collect(),
            buffers,
            scopes: self.file_scopes()?,
            nodes,
            discards,
        };
        Ok(file.to_bytes())
    }

    fn with_contents(&self, options: &FileOptions, tables: &Tables<'_>) -> HashSet<AllocationId> {
        let mut chosen = match options.contents {
            Contents::None => HashSet::new(),
            Contents::All => tables.buffers.iter().map(|it| it.allocation()).collect(),
            // What such a kernel reads, nobody knows.
            Contents::ReadFirst if self.touches_anything() => {
                tables.buffers.iter().map(|it| it.allocation()).collect()
            }
            Contents::ReadFirst => read_first(&self.nodes),
        };
        for view in &tables.buffers {
            if options.without_read_only && view.is_read_only() {
                chosen.remove(&view.allocation());
            }
        }
        chosen
    }

    fn touches_anything(&self) -> bool {
        let mut interfaces = self.nodes.iter().map(|node| node.kernel.interface());
        interfaces.any(|interface| interface.touches_anything())
    }

    fn file_scopes(&self) -> Result<Vec<FileScope<'_>>> {
        let mut depths: Vec<usize> = Vec::with_capacity(self.scopes.len());
        let mut scopes = Vec::with_capacity(self.scopes.len());
        for scope in &self.scopes {
            let depth = scope.parent.map_or(1, |parent| depths[parent.index()] + 1);
            if depth > MAX_SCOPE_DEPTH {
                let limit = MAX_SCOPE_DEPTH;
                return Err(GraphFileError::Nesting { limit }.into());
            }
            depths.push(depth);
            scopes.push(FileScope {
                parent: scope.parent.map(|ScopeId(id)| id),
                label: &scope.label,
            });
        }
        Ok(scopes)
    }
}

/// All of a view's allocation.
fn whole(view: &BufferView) -> BufferView {
    BufferView {
        range: ByteRange::new(0, view.allocation.size),
        issue: None,
        ..view.clone()
    }
}

/// What nodes refer to, in the order in which it first turns up.
#[derive(Default)]
struct Tables<'g> {
    kernels: Vec<&'g Kernel>,
    kernel_index: HashMap<usize, u32>,
    /// Any view of each allocation.
    buffers: Vec<&'g BufferView>,
    buffer_index: HashMap<AllocationId, u32>,
}

impl<'g> Tables<'g> {
    fn node(&mut self, node: &'g Node) -> FileNode<'g> {
        FileNode {
            kernel: self.kernel(&node.kernel),
            args: (node.args.iter())
                .map(|arg| (arg.slot, self.view(&arg.view)))
                .collect(),
            inline: Cow::Borrowed(&node.inline),
            grid: match &node.grid.extent {
                NodeExtent::Groups(groups) => FileGrid::Groups(*groups),
                NodeExtent::Threads(threads) => FileGrid::Threads(*threads),
                NodeExtent::Indirect(view) => FileGrid::Indirect(self.view(view)),
            },
            shared_bytes: node.grid.shared_bytes,
            barrier_before: node.barrier_before,
            scope: node.scope.map(|ScopeId(id)| id),
        }
    }

    fn kernel(&mut self, kernel: &'g Kernel) -> u32 {
        let next = self.kernels.len() as u32;
        let index = *self.kernel_index.entry(kernel.address()).or_insert(next);
        if index == next {
            self.kernels.push(kernel);
        }
        index
    }

    fn view(&mut self, view: &'g BufferView) -> FileView {
        let next = self.buffers.len() as u32;
        let index = self.buffer_index.entry(view.allocation());
        let buffer = *index.or_insert(next);
        if buffer == next {
            self.buffers.push(view);
        }
        FileView {
            buffer,
            range: view.range,
        }
    }
}

fn file_kernel(kernel: &Kernel) -> FileKernel<'_> {
    let source = kernel.source();
    if let Some(transfer) = source.transfer() {
        return FileKernel::of_transfer(transfer);
    }
    FileKernel::Source(Box::new(FileSource {
        name: source.name(),
        op: source.op_kind(),
        interface: source.interface().clone(),
        native: source.has_native_form(),
        wgsl: source.wgsl_form().cloned(),
    }))
}
