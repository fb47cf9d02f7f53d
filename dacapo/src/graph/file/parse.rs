//! From bytes to a checked file.

use std::borrow::Cow;

use crate::access::Access;
use crate::graph::file::cursor::Cursor;
use crate::graph::file::frame::{self, SECTIONS};
use crate::graph::file::{
    FileBuffer, FileDiscard, FileGrid, FileKernel, FileNode, FileScope, FileSource, FileView,
    GraphFile, GraphFileError, MAX_SCOPE_DEPTH,
};
use crate::kernel::{Binding, Interface, SharedMemory, Wgsl};
use crate::memory::MemoryKind;
use crate::options::Hazards;
use crate::range::ByteRange;

type Result<T> = core::result::Result<T, GraphFileError>;

/// Stands for no scope.
pub(super) const NONE: u32 = u32::MAX;

pub(super) fn file(bytes: &[u8]) -> Result<GraphFile<'_>> {
    let [graph, kernels, buffers, scopes, nodes, discards, contents] = &mut frame::open(bytes)?;
    let hazards = [Hazards::Auto, Hazards::Manual, Hazards::Serial];
    let hazards = graph.tag("the hazards", &hazards, "0 to 2")?;
    let ends_with_barrier = graph.bool("whether it ends with a barrier")?;
    let subgroup_size = Some(graph.u32("the size of subgroups")?).filter(|size| *size != 0);
    let mut file = GraphFile {
        hazards,
        ends_with_barrier,
        subgroup_size,
        kernels: list(kernels, "the number of kernels", 1, kernel)?,
        buffers: list(buffers, "the number of buffers", 15, buffer)?,
        scopes: read_scopes(scopes)?,
        nodes: Vec::new(),
        discards: Vec::new(),
    };
    file.nodes = list(nodes, "the number of nodes", 33, |cursor| {
        node(cursor, &file)
    })?;
    let mut last = 0;
    file.discards = list(discards, "the number of discards", 24, |cursor| {
        let discard = discard(cursor, &file, last)?;
        last = discard.after;
        Ok(discard)
    })?;
    read_contents(contents, &mut file.buffers)?;
    let sections = [graph, kernels, buffers, scopes, nodes, discards, contents];
    for (section, what) in sections.into_iter().zip(SECTIONS) {
        section.clone().finish(what)?;
    }
    Ok(file)
}

/// A list with its length in front, of entries that take at least `min_bytes` each.
fn list<'a, T>(
    cursor: &mut Cursor<'a>,
    what: &'static str,
    min_bytes: u64,
    mut entry: impl FnMut(&mut Cursor<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = cursor.count(what, min_bytes)?;
    // An entry takes more memory than bytes of the file: room is made as entries turn out to be there.
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(cursor)?);
    }
    Ok(entries)
}

fn kernel<'a>(cursor: &mut Cursor<'a>) -> Result<FileKernel<'a>> {
    let at = cursor.at();
    match cursor.u8("the kind of a kernel")? {
        0 => Ok(FileKernel::Source(Box::new(source(cursor)?))),
        1 => Ok(FileKernel::Copy),
        2 => Ok(FileKernel::Fill),
        found => Err(GraphFileError::Tag {
            what: "the kind of a kernel",
            at,
            found: found.into(),
            allowed: "0 to 2",
        }),
    }
}

fn source<'a>(cursor: &mut Cursor<'a>) -> Result<FileSource<'a>> {
    Ok(FileSource {
        name: cursor.text("a kernel's name")?,
        op: cursor.text("a kernel's kind of operation")?,
        interface: interface(cursor)?,
        native: cursor.bool("whether a kernel has a native form")?,
        wgsl: match cursor.bool("whether a kernel has WGSL")? {
            true => Some(wgsl(cursor)?),
            false => None,
        },
    })
}

fn interface(cursor: &mut Cursor<'_>) -> Result<Interface> {
    let inline_bytes = cursor.u32("a kernel's inline bytes")?;
    let workgroup = cursor.axes("a kernel's workgroup")?;
    let kinds = [
        SharedMemory::None,
        SharedMemory::Fixed(0),
        SharedMemory::Dynamic { max: 0 },
    ];
    let shared = cursor.tag("a kernel's kind of shared memory", &kinds, "0 to 2")?;
    let at = cursor.at();
    let bytes = cursor.u32("a kernel's shared memory")?;
    let shared = match shared {
        SharedMemory::None if bytes > 0 => {
            return Err(GraphFileError::Tag {
                what: "the shared memory of a kernel without",
                at,
                found: bytes.into(),
                allowed: "0",
            });
        }
        SharedMemory::None => SharedMemory::None,
        SharedMemory::Fixed(_) => SharedMemory::Fixed(bytes),
        SharedMemory::Dynamic { .. } => SharedMemory::Dynamic { max: bytes },
    };
    let touches_anything = cursor.bool("whether a kernel touches anything")?;
    let mut last = None;
    let bindings = list(cursor, "the number of a kernel's bindings", 9, |cursor| {
        let slot = ascending(cursor, "a slot", &mut last)?;
        let kinds = [Access::Read, Access::Write, Access::ReadWrite];
        Ok(Binding {
            slot,
            access: cursor.tag("a slot's access", &kinds, "0 to 2")?,
            align: cursor.u32("a slot's alignment")?,
        })
    })?;
    let overwritten = list(cursor, "the number of overwritten slots", 4, |cursor| {
        cursor.u32("an overwritten slot")
    })?;
    Ok(Interface {
        bindings,
        inline_bytes,
        workgroup,
        shared,
        touches_anything,
        overwritten,
        is_transfer: false,
    })
}

/// A number greater than the last.
fn ascending(cursor: &mut Cursor<'_>, what: &'static str, last: &mut Option<u32>) -> Result<u32> {
    let at = cursor.at();
    let found = cursor.u32(what)?;
    if last.is_some_and(|last| last >= found) {
        return Err(GraphFileError::Order { what, at });
    }
    *last = Some(found);
    Ok(found)
}

fn wgsl(cursor: &mut Cursor<'_>) -> Result<Wgsl> {
    let text = cursor.text("a kernel's WGSL")?.to_owned();
    let entry = cursor.text("a kernel's entry point")?.to_owned();
    let trusted = cursor.bool("whether a kernel is trusted")?;
    let mut last: Option<&str> = None;
    let constants = list(cursor, "the number of a kernel's constants", 12, |cursor| {
        let at = cursor.at();
        let name = cursor.text("a constant's name")?;
        if last.is_some_and(|last| last >= name) {
            let what = "a constant's name";
            return Err(GraphFileError::Order { what, at });
        }
        last = Some(name);
        let bits = cursor.u64("a constant's value")?;
        Ok((Cow::Owned(name.to_owned()), bits))
    })?;
    Ok(Wgsl {
        text: Cow::Owned(text),
        entry: Cow::Owned(entry),
        constants,
        trusted,
    })
}

fn buffer<'a>(cursor: &mut Cursor<'a>) -> Result<FileBuffer<'a>> {
    let label = cursor.text("a buffer's label")?;
    let at = cursor.at();
    let size = cursor.u64("a buffer's length")?;
    if size == 0 {
        return Err(GraphFileError::Tag {
            what: "a buffer's length",
            at,
            found: size,
            allowed: "1 or more",
        });
    }
    let kinds = [
        MemoryKind::DeviceLocal,
        MemoryKind::HostVisible,
        MemoryKind::HostCached,
        MemoryKind::Unified,
    ];
    Ok(FileBuffer {
        label,
        size,
        kind: cursor.tag("a buffer's kind", &kinds, "0 to 3")?,
        read_only: cursor.bool("whether a buffer is read-only")?,
        stored: cursor.bool("whether a buffer's contents are stored")?,
        extents: Vec::new(),
    })
}

fn read_scopes<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<FileScope<'a>>> {
    let mut depths: Vec<usize> = Vec::new();
    list(cursor, "the number of scopes", 8, |cursor| {
        let parent = optional(cursor, "a scope's parent", depths.len())?;
        let depth = parent.map_or(1, |parent| depths[parent as usize] + 1);
        if depth > MAX_SCOPE_DEPTH {
            let limit = MAX_SCOPE_DEPTH;
            return Err(GraphFileError::Nesting { limit });
        }
        depths.push(depth);
        let label = cursor.text("a scope's label")?;
        Ok(FileScope { parent, label })
    })
}

/// A number below `count`, or none.
fn optional(cursor: &mut Cursor<'_>, what: &'static str, count: usize) -> Result<Option<u32>> {
    let mut ahead = cursor.clone();
    if ahead.u32(what)? == NONE {
        *cursor = ahead;
        return Ok(None);
    }
    cursor.index(what, count).map(Some)
}

fn view(cursor: &mut Cursor<'_>, buffers: &[FileBuffer<'_>]) -> Result<FileView> {
    let buffer = cursor.index("a buffer", buffers.len())?;
    let at = cursor.at();
    let range = ByteRange {
        start: cursor.u64("the start of a range")?,
        end: cursor.u64("the end of a range")?,
    };
    let size = buffers[buffer as usize].size;
    match range.start < range.end && range.end <= size {
        true => Ok(FileView { buffer, range }),
        false => Err(GraphFileError::Range {
            range,
            at,
            buffer,
            size,
        }),
    }
}

fn node<'a>(cursor: &mut Cursor<'a>, file: &GraphFile<'_>) -> Result<FileNode<'a>> {
    let kernel = cursor.index("a node's kernel", file.kernels.len())?;
    let barrier_before = cursor.bool("whether a barrier is in front of a node")?;
    let scope = optional(cursor, "a node's scope", file.scopes.len())?;
    let at = cursor.at();
    let grid = match cursor.u8("the kind of a node's grid")? {
        0 => FileGrid::Groups(cursor.axes("a node's grid")?),
        1 => FileGrid::Threads(cursor.axes("a node's grid")?),
        2 => FileGrid::Indirect(view(cursor, &file.buffers)?),
        found => {
            return Err(GraphFileError::Tag {
                what: "the kind of a node's grid",
                at,
                found: found.into(),
                allowed: "0 to 2",
            });
        }
    };
    let shared_bytes = cursor.u32("a node's shared memory")?;
    let mut last = None;
    let args = list(cursor, "the number of a node's arguments", 24, |cursor| {
        let slot = ascending(cursor, "an argument's slot", &mut last)?;
        Ok((slot, view(cursor, &file.buffers)?))
    })?;
    let inline = Cow::Borrowed(cursor.bytes("a node's inline constants")?);
    Ok(FileNode {
        kernel,
        args,
        inline,
        grid,
        shared_bytes,
        barrier_before,
        scope,
    })
}

fn discard(cursor: &mut Cursor<'_>, file: &GraphFile<'_>, last: u32) -> Result<FileDiscard> {
    let what = "the place of a discard";
    let at = cursor.at();
    let after = cursor.index(what, file.nodes.len() + 1)?;
    if after < last {
        return Err(GraphFileError::Order { what, at });
    }
    let view = view(cursor, &file.buffers)?;
    Ok(FileDiscard { after, view })
}

/// Gives each buffer its stored bytes.
fn read_contents<'a>(cursor: &mut Cursor<'a>, buffers: &mut [FileBuffer<'a>]) -> Result<()> {
    let count = cursor.count("the number of stored pieces", 20)?;
    let mut end = (0, 0);
    for _ in 0..count {
        let at = cursor.at();
        let FileView { buffer, range } = view(cursor, buffers)?;
        if (buffer, range.start) < end {
            let what = "the place of a stored piece";
            return Err(GraphFileError::Order { what, at });
        }
        end = (buffer, range.end);
        let bytes = cursor.take(range.len(), "a stored piece")?;
        let owner = &mut buffers[buffer as usize];
        if !owner.stored {
            return Err(GraphFileError::Tag {
                what: "the buffer of a stored piece",
                at,
                found: buffer.into(),
                allowed: "those that say that their contents are stored",
            });
        }
        owner.extents.push((range.start, Cow::Borrowed(bytes)));
    }
    Ok(())
}
