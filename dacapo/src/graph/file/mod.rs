//! Graphs as files, which another machine can read, check and run.
//!
//! The format is described in `docs/capture-file.md`. A file holds a graph as it was captured, before planning: kernels
//! by content, the allocations that nodes bind, nodes, scopes, discards, and contents of allocations if asked for. It
//! names no path and no address, and belongs to no backend.

mod contents;
mod cursor;
mod error;
mod frame;
mod given;
mod load;
mod needed;
mod parse;
mod save;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;

use crate::kernel::{Interface, Transfer, Wgsl};
use crate::options::Hazards;
use crate::range::ByteRange;

pub use error::GraphFileError;
pub use given::BufferKey;
pub use load::LoadedGraph;
pub use save::{Contents, FileOptions};

/// A capture file that has been read and checked.
///
/// It comes from a stranger: that it could be read says that it is whole and consistent in itself, so that it can be
/// looked at. [`GraphFile::load`] makes a graph of it.
///
/// ```
/// # use dacapo::{BufferKey, Device, DeviceOptions, FileOptions, Graph, GraphFile, MemoryKind};
/// # let device = Device::open(&DeviceOptions::default())?;
/// let buffer = device.buffer(64, MemoryKind::DeviceLocal)?;
/// let graph = Graph::capture(&device, |encoder| encoder.fill(&buffer, 7))?;
/// let bytes = graph.to_file(&FileOptions::default())?;
///
/// // On another machine:
/// let file = GraphFile::read(&bytes)?;
/// assert_eq!(file.buffers()[0].size, 64);
/// let own = device.buffer(64, MemoryKind::DeviceLocal)?;
/// let loaded = file.load(&device, &[(BufferKey::Index(0), &own)])?;
/// loaded.graph.replay("fill")?.wait()?;
/// assert_eq!(own.read::<u8>()?, [7; 64]);
/// # Ok::<(), dacapo::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GraphFile<'a> {
    hazards: Hazards,
    ends_with_barrier: bool,
    /// Invocations of a subgroup of the GPU on which the graph was captured.
    subgroup_size: Option<u32>,
    kernels: Vec<FileKernel<'a>>,
    buffers: Vec<FileBuffer<'a>>,
    scopes: Vec<FileScope<'a>>,
    nodes: Vec<FileNode<'a>>,
    discards: Vec<FileDiscard>,
}

/// A kernel of a capture file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileKernel<'a> {
    /// The runtime's own copy.
    Copy,
    /// The runtime's own fill.
    Fill,
    /// Any other kernel.
    Source(Box<FileSource<'a>>),
}

/// What a kernel was compiled from, as far as a file can hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSource<'a> {
    /// Its name.
    pub name: &'a str,
    /// The kind of operation.
    pub op: &'a str,
    /// What the source declares; a kernel in WGSL may declare nothing.
    pub interface: Interface,
    /// Whether it had a native form, for the processor or in Metal's language, which the file does not hold.
    pub native: bool,
    /// Its form for GPUs. Whether it says that it is to be trusted is the file's word, and counts only for
    /// [`GraphFile::load_trusted`].
    pub wgsl: Option<Wgsl>,
}

/// An allocation that a graph uses.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FileBuffer<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its length in bytes.
    pub size: u64,
    /// Where it lived.
    pub kind: crate::MemoryKind,
    /// Whether nothing could write it: an import, such as a model's weights.
    pub read_only: bool,
    /// Whether the file has what was in it.
    pub stored: bool,
    /// The stored bytes less long runs of zeros, in ascending order; each with its offset.
    extents: Vec<(u64, Cow<'a, [u8]>)>,
}

/// Bytes of one of a file's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileView {
    /// The buffer's place among [`GraphFile::buffers`].
    pub buffer: u32,
    /// Which of its bytes.
    pub range: ByteRange,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct FileNode<'a> {
    /// The kernel's place among [`GraphFile::kernels`].
    pub kernel: u32,
    /// What is bound at which slot.
    pub args: Vec<(u32, FileView)>,
    /// The inline constants.
    pub inline: Cow<'a, [u8]>,
    /// How many workgroups run.
    pub grid: FileGrid,
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// Whether the caller put a barrier in front of it.
    pub barrier_before: bool,
    /// The innermost scope around it.
    scope: Option<u32>,
}

/// The grid of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileGrid {
    /// Workgroups along each axis.
    Groups([u32; 3]),
    /// Threads along each axis.
    Threads([u32; 3]),
    /// Workgroups along each axis, as these bytes say when the dispatch starts.
    Indirect(FileView),
}

#[derive(Clone, Debug, PartialEq)]
struct FileScope<'a> {
    /// One before it.
    parent: Option<u32>,
    label: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
struct FileDiscard {
    /// How many nodes were there.
    after: u32,
    view: FileView,
}

/// How deep scopes can be nested in a file: paths are walked for every node.
const MAX_SCOPE_DEPTH: usize = 256;

impl<'a> GraphFile<'a> {
    /// What every capture file begins with.
    pub const MAGIC: &'static [u8] = &frame::MAGIC;

    /// Reads a file of which `bytes` is the whole content, and checks it. No device is needed.
    ///
    /// # Errors
    /// [`GraphFileError`] for everything that the format does not allow: see its variants.
    pub fn read(bytes: &'a [u8]) -> Result<GraphFile<'a>, GraphFileError> {
        parse::file(bytes)
    }

    /// The kernels.
    pub fn kernels(&self) -> &[FileKernel<'a>] {
        &self.kernels
    }

    /// The buffers.
    pub fn buffers(&self) -> &[FileBuffer<'a>] {
        &self.buffers
    }

    /// The nodes, in program order.
    pub fn nodes(&self) -> &[FileNode<'a>] {
        &self.nodes
    }

    /// The labels of the scopes around a node, outermost first.
    pub fn scope_path(&self, node: &FileNode<'_>) -> Vec<&'a str> {
        let mut path = Vec::new();
        let mut at = node.scope;
        while let Some(scope) = at.and_then(|at| self.scopes.get(at as usize)) {
            path.push(scope.label);
            at = scope.parent;
        }
        path.reverse();
        path
    }

    /// Invocations of a subgroup of the GPU on which the graph was captured, on which its kernels may count.
    pub fn subgroup_size(&self) -> Option<u32> {
        self.subgroup_size
    }

    /// How conflicts between nodes are kept apart.
    pub fn hazards(&self) -> Hazards {
        self.hazards
    }
}

impl<'a> FileKernel<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        match self {
            FileKernel::Copy => "copy",
            FileKernel::Fill => "fill",
            FileKernel::Source(source) => source.name,
        }
    }

    fn of_transfer(transfer: Transfer) -> FileKernel<'a> {
        match transfer {
            Transfer::Copy => FileKernel::Copy,
            Transfer::Fill => FileKernel::Fill,
        }
    }
}
