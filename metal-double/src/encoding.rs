//! Encoded work: what encoders write and the executor reads.

use std::sync::Arc;

use objc2_metal::MTLSize;

use crate::counters::Samples;
use crate::event::{EventCore, FenceCore};
use crate::held::Ref;
use crate::indirect::IndirectCore;
use crate::memory::Storage;
use crate::pipeline::PipelineCore;

/// Indices of buffers, and of threadgroup memory.
pub(crate) const SLOTS: usize = 31;

/// Sizes of a dispatch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) groups: [u32; 3],
    pub(crate) threads_per_group: [u32; 3],
    /// Of a dispatch of threads: groups at the edge are smaller.
    pub(crate) threads: Option<[u32; 3]>,
}

impl Shape {
    /// The shape of a grid of groups.
    pub(crate) fn of_groups(groups: MTLSize, threads_per_group: MTLSize) -> Self {
        Self {
            groups: words(groups),
            threads_per_group: words(threads_per_group),
            threads: None,
        }
    }

    /// The shape of a grid of threads.
    pub(crate) fn of_threads(threads: MTLSize, threads_per_group: MTLSize) -> Self {
        let (threads, per_group) = (words(threads), words(threads_per_group));
        let groups = std::array::from_fn(|axis| threads[axis].div_ceil(per_group[axis].max(1)));
        Self {
            groups,
            threads_per_group: per_group,
            threads: Some(threads),
        }
    }
}

fn words(size: MTLSize) -> [u32; 3] {
    [size.width, size.height, size.depth].map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// One call on a compute encoder.
#[derive(Debug)]
pub(crate) enum Command {
    Pipeline(Ref<PipelineCore>),
    Buffer {
        index: u8,
        storage: Ref<Storage>,
        offset: usize,
    },
    Unbind {
        index: u8,
    },
    /// Bytes that were copied into the pass.
    Bytes {
        index: u8,
        start: u32,
        length: u32,
    },
    ThreadgroupMemory {
        index: u8,
        length: u32,
    },
    Dispatch(Shape),
    DispatchIndirect {
        storage: Ref<Storage>,
        offset: usize,
        threads_per_group: [u32; 3],
    },
    /// All buffers.
    Barrier,
    /// These buffers alone.
    BarrierFor(Box<[Ref<Storage>]>),
    Use {
        resource: u64,
        write: bool,
    },
    Execute {
        commands: Ref<IndirectCore>,
        first: usize,
        count: usize,
    },
    WaitFence(Ref<FenceCore>),
    UpdateFence(Ref<FenceCore>),
}

/// Where a pass writes timestamps.
#[derive(Debug)]
pub(crate) struct SampleAt {
    pub(crate) samples: Ref<Samples>,
    pub(crate) start: Option<usize>,
    pub(crate) end: Option<usize>,
}

/// The work of one compute encoder.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) label: String,
    pub(crate) concurrent: bool,
    pub(crate) commands: Vec<Command>,
    /// What `setBytes` copied.
    pub(crate) bytes: Vec<u8>,
    pub(crate) samples: Vec<SampleAt>,
    pub(crate) signposts: Vec<String>,
}

/// One call on a blit encoder.
#[derive(Debug)]
pub(crate) enum Blit {
    Copy {
        source: Ref<Storage>,
        source_offset: usize,
        target: Ref<Storage>,
        target_offset: usize,
        size: usize,
    },
    Fill {
        target: Ref<Storage>,
        offset: usize,
        size: usize,
        value: u8,
    },
    WaitFence(Ref<FenceCore>),
    UpdateFence(Ref<FenceCore>),
}

/// The work of one blit encoder.
#[derive(Debug, Default)]
pub(crate) struct BlitPass {
    pub(crate) label: String,
    pub(crate) commands: Vec<Blit>,
    pub(crate) signposts: Vec<String>,
}

/// What a command buffer does, in order.
#[derive(Debug)]
pub(crate) enum Step {
    Compute(Pass),
    Blit(BlitPass),
    Wait(Ref<EventCore>, u64),
    Signal(Ref<EventCore>, u64),
}

impl Step {
    /// Whether it is an encoder's work.
    pub(crate) fn is_pass(&self) -> bool {
        matches!(self, Self::Compute(_) | Self::Blit(_))
    }
}

/// Indirect command buffers that a command buffer executes.
pub(crate) type Executed = Vec<Arc<IndirectCore>>;
