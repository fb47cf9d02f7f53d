//! From a file to bytes.

use crate::access::Access;
use crate::graph::file::frame;
use crate::graph::file::parse::NONE;
use crate::graph::file::{
    FileBuffer, FileGrid, FileKernel, FileNode, FileSource, FileView, GraphFile,
};
use crate::kernel::{Interface, SharedMemory, Wgsl};
use crate::memory::MemoryKind;
use crate::options::Hazards;

/// Bytes that grow by little-endian values.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn axes(&mut self, axes: [u32; 3]) {
        axes.into_iter().for_each(|axis| self.u32(axis));
    }

    /// A length, of which 2^32 and more would be many gigabytes of text or nodes.
    fn len(&mut self, len: usize) {
        debug_assert!(u32::try_from(len).is_ok());
        self.u32(len as u32);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<T>(&mut self, entries: &[T], mut entry: impl FnMut(&mut Writer, &T)) {
        self.len(entries.len());
        entries.iter().for_each(|it| entry(self, it));
    }

    fn optional(&mut self, index: Option<u32>) {
        self.u32(index.unwrap_or(NONE));
    }

    fn view(&mut self, view: &FileView) {
        self.u32(view.buffer);
        self.u64(view.range.start);
        self.u64(view.range.end);
    }
}

impl GraphFile<'_> {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut sections = frame::SECTIONS.map(|_| Writer::default());
        let [graph, kernels, buffers, scopes, nodes, discards, contents] = &mut sections;
        graph.u8(match self.hazards {
            Hazards::Auto => 0,
            Hazards::Manual => 1,
            Hazards::Serial => 2,
        });
        graph.bool(self.ends_with_barrier);
        graph.u32(self.subgroup_size.unwrap_or(0));
        kernels.list(&self.kernels, kernel);
        buffers.list(&self.buffers, buffer);
        scopes.list(&self.scopes, |out, scope| {
            out.optional(scope.parent);
            out.text(scope.label);
        });
        nodes.list(&self.nodes, node);
        discards.list(&self.discards, |out, discard| {
            out.u32(discard.after);
            out.view(&discard.view);
        });
        write_contents(contents, &self.buffers);
        frame::close(&sections.map(|Writer(bytes)| bytes))
    }
}

fn kernel(out: &mut Writer, kernel: &FileKernel<'_>) {
    match kernel {
        FileKernel::Source(it) => {
            out.u8(0);
            source(out, it);
        }
        FileKernel::Copy => out.u8(1),
        FileKernel::Fill => out.u8(2),
    }
}

fn source(out: &mut Writer, source: &FileSource<'_>) {
    out.text(source.name);
    out.text(source.op);
    interface(out, &source.interface);
    out.bool(source.native);
    out.bool(source.wgsl.is_some());
    if let Some(it) = &source.wgsl {
        wgsl(out, it);
    }
}

fn interface(out: &mut Writer, interface: &Interface) {
    out.u32(interface.inline_bytes);
    out.axes(interface.workgroup);
    out.u8(match interface.shared {
        SharedMemory::None => 0,
        SharedMemory::Fixed(_) => 1,
        SharedMemory::Dynamic { .. } => 2,
    });
    out.u32(interface.shared.max_bytes());
    out.bool(interface.touches_anything);
    out.list(&interface.bindings, |out, binding| {
        out.u32(binding.slot);
        out.u8(match binding.access {
            Access::Read => 0,
            Access::Write => 1,
            Access::ReadWrite => 2,
        });
        out.u32(binding.align);
    });
    out.list(&interface.overwritten, |out, slot| out.u32(*slot));
}

fn wgsl(out: &mut Writer, wgsl: &Wgsl) {
    out.text(&wgsl.text);
    out.text(&wgsl.entry);
    out.bool(wgsl.trusted);
    out.list(&wgsl.constants, |out, (name, bits)| {
        out.text(name);
        out.u64(*bits);
    });
}

fn buffer(out: &mut Writer, buffer: &FileBuffer<'_>) {
    out.text(buffer.label);
    out.u64(buffer.size);
    out.u8(match buffer.kind {
        MemoryKind::DeviceLocal => 0,
        MemoryKind::HostVisible => 1,
        MemoryKind::HostCached => 2,
        MemoryKind::Unified => 3,
    });
    out.bool(buffer.read_only);
    out.bool(buffer.stored);
}

fn node(out: &mut Writer, node: &FileNode<'_>) {
    out.u32(node.kernel);
    out.bool(node.barrier_before);
    out.optional(node.scope);
    match &node.grid {
        FileGrid::Groups(groups) => {
            out.u8(0);
            out.axes(*groups);
        }
        FileGrid::Threads(threads) => {
            out.u8(1);
            out.axes(*threads);
        }
        FileGrid::Indirect(view) => {
            out.u8(2);
            out.view(view);
        }
    }
    out.u32(node.shared_bytes);
    out.list(&node.args, |out, (slot, view)| {
        out.u32(*slot);
        out.view(view);
    });
    out.bytes(&node.inline);
}

fn write_contents(out: &mut Writer, buffers: &[FileBuffer<'_>]) {
    out.len(buffers.iter().map(|it| it.extents.len()).sum());
    for (index, buffer) in buffers.iter().enumerate() {
        for (start, bytes) in &buffer.extents {
            out.u32(index as u32);
            out.u64(*start);
            out.u64(*start + bytes.len() as u64);
            out.0.extend(&**bytes);
        }
    }
}
