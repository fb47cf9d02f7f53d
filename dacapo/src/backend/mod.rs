//! What a backend must do. Each backend is a folder with the same file names: `adapter`, `memory`,
//! `pipeline`, `encoder`, `queue`.

mod clock;
pub(crate) mod cpu;
pub(crate) mod jobs;
mod launched;
#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
pub(crate) mod metal;
mod own;
pub(crate) mod reference;
mod refused;
pub(crate) mod vulkan;

use core::any::Any;
use core::ptr::NonNull;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use crate::access::Access;
use crate::encoder::Recording;
use crate::error::Result;
use crate::info::{GpuFeatures, Limits};
use crate::kernel::{Interface, Kernel, KernelSource};
use crate::memory::{BufferView, HostBytes, MemoryKind};
use crate::profile::Timed;
use crate::range::ByteRange;

pub(crate) use refused::Refused;

/// An opened device.
pub(crate) trait Device: Send + Sync + Any {
    fn limits(&self) -> &Limits;

    /// What WGSL kernels can count on; `None` where they cannot run.
    fn gpu(&self) -> Option<GpuFeatures>;

    /// Allocates zeroed memory.
    fn allocate(
        &self,
        size: u64,
        kind: MemoryKind,
        label: &str,
    ) -> Result<Box<dyn Memory>, Refused>;

    /// Makes host memory usable for reading by kernels, where it lies, or gives it back.
    fn import(&self, bytes: HostBytes, label: &str) -> Result<Box<dyn Memory>, HostBytes>;

    /// Writes memory that the host does not see, once nothing submitted uses it.
    fn write(&self, memory: &dyn Memory, offset: u64, bytes: &[u8]) -> Result<(), Refused>;

    /// Reads memory that the host does not see, or sees slowly.
    fn read(&self, memory: &dyn Memory, range: ByteRange, bytes: &mut [u8]) -> Result<(), Refused>;

    /// Compiles the form of `source` that the device runs, after checking its interface against the limits.
    fn pipeline(&self, source: &KernelSource) -> Result<Compiled>;

    /// An empty command list.
    fn encoder(&self) -> Box<dyn Encoder>;

    /// An empty command list to be prepared: one that runs first in a launch, or behind others.
    fn part(&self, first: bool) -> Box<dyn Encoder>;

    /// Runs a recording asynchronously, after those submitted before it, and then completes it. One that is void is
    /// completed without running.
    fn submit(&self, recording: Box<Recording>);

    /// How far times of the device may lie from the host's; `None` where they are as late as the host sees completions.
    fn clock_error(&self) -> Option<Duration>;

    /// How it is told when a dispatch runs.
    fn timed(&self) -> Timed {
        Timed::InPlace
    }

    /// Whether a race between dispatches is undefined behaviour of this process, so that missing barriers are
    /// inserted even under manual hazards.
    fn must_prevent_races(&self) -> bool;
}

/// One allocation.
pub(crate) trait Memory: Send + Sync + Any {
    /// Where the host sees the memory, if it does.
    fn host(&self) -> Option<NonNull<u8>>;

    /// Whether the host sees it without a cache: writing is fast, reading is not.
    fn reads_slowly(&self) -> bool {
        false
    }

    /// Says whether the memory should stay where the device reaches it fastest.
    fn set_resident(&self, _resident: bool) {}
}

/// What compiling gives.
pub(crate) struct Compiled {
    pub(crate) pipeline: Box<dyn Pipeline>,
    /// That of the form that was compiled.
    pub(crate) interface: Interface,
}

/// A compiled kernel.
pub(crate) trait Pipeline: Send + Sync + Any {}

/// A list of commands being recorded. What it gets has been validated.
pub(crate) trait Encoder: Send + Any {
    /// Runs each dispatch only when the one before it has ended, until it is reset. Called before any; barriers are
    /// recorded all the same.
    fn run_serially(&mut self) {}

    /// Notes when each dispatch runs that is recorded from now on, until it is reset. Called before any.
    fn time(&mut self);
    fn dispatch(&mut self, dispatch: &Dispatch<'_>);
    /// Orders everything recorded so far before everything recorded from now on.
    fn barrier(&mut self);
    fn push_scope(&mut self, label: &str);
    fn pop_scope(&mut self);
    /// Forgets all commands and keeps the memory they took.
    fn reset(&mut self);
    /// Ends a command list made by [`Device::part`], to be launched any number of times.
    fn prepare(self: Box<Self>) -> Result<Arc<dyn Prepared>, Refused>;
    /// Makes an empty command list run prepared ones. Whoever submits it keeps those, and what is updated and
    /// fetched, until it has run.
    fn launch(&mut self, launch: &Launch<'_>);
    /// What the launch fetched, once it has run.
    fn fetched(&self) -> &[u8];
    /// Adds when each timed dispatch began and ended, in the order of recording; none where the device has no clock.
    /// Called once it has run.
    fn timings(&self, times: &mut Vec<[Instant; 2]>);
}

/// Commands that can be launched any number of times, also while they run.
pub(crate) trait Prepared: Send + Sync + Any {
    /// As [`Encoder::timings`], of the launch that ran last.
    fn timings(&self, times: &mut Vec<[Instant; 2]>);
}

/// A run of prepared commands.
#[derive(Clone, Copy, Default)]
pub(crate) struct Launch<'a> {
    /// One after the other.
    pub(crate) parts: &'a [Arc<dyn Prepared>],
    /// Bytes for memory, of the same length, that arrive before the first part runs. They do not overlap.
    pub(crate) updates: &'a [(Bound<'a>, &'a [u8])],
    /// What is read back behind the last part.
    pub(crate) fetch: Option<Bound<'a>>,
}

/// A dispatch with its arguments in the order of the kernel's bindings.
pub(crate) struct Dispatch<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) bound: &'a [Bound<'a>],
    pub(crate) inline: &'a [u8],
    pub(crate) groups: &'a Groups<'a>,
    pub(crate) shared_bytes: u32,
}

/// A view bound at a slot.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) view: &'a BufferView,
    /// The bytes of the allocation that are bound: the view's, less those before an extra offset.
    pub(crate) range: ByteRange,
    pub(crate) access: Access,
}

/// Bytes of an indirect grid.
pub(crate) const INDIRECT_BYTES: u64 = 12;

/// How many workgroups run.
#[derive(Clone, Copy)]
pub(crate) enum Groups<'a> {
    Direct {
        groups: [u32; 3],
        threads: [u32; 3],
    },
    /// Three u32 in a buffer, read when the dispatch starts.
    Indirect(Bound<'a>),
}
