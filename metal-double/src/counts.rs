//! What a program did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($count:ident => $name:literal),* $(,)?) => {
        /// Things that are counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Count { $(#[doc = $name] $count),* }

        /// The counts' names.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

counts! {
    CommandBuffers => "command_buffers",
    Commits => "commits",
    ComputeEncoders => "compute_encoders",
    BlitEncoders => "blit_encoders",
    Dispatches => "dispatches",
    Barriers => "barriers",
    SetBuffer => "set_buffer",
    SetBufferOffset => "set_buffer_offset",
    SetBytes => "set_bytes",
    SetPipeline => "set_pipeline",
    UseResource => "use_resource",
    ResidencyCommits => "residency_commits",
    ResidencyRequests => "residency_requests",
    IndirectExecutions => "icb_executions",
    IndirectCommands => "icb_commands",
    Buffers => "buffers",
    BufferBytes => "buffer_bytes",
    Pipelines => "pipelines",
    Libraries => "libraries",
    ArchiveHits => "archive_hits",
    Copies => "copies",
    Fills => "fills",
    KernelsRun => "kernels_run",
    Captures => "captures",
}

static COUNTS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

/// Counts one more.
#[inline]
pub(crate) fn count(what: Count) {
    add(what, 1);
}

/// Counts `n` more.
#[inline]
pub(crate) fn add(what: Count, n: u64) {
    COUNTS[what as usize].fetch_add(n, Ordering::Relaxed);
}

/// A count since the last reset, by its name in [`NAMES`]; none for a name that is not there.
pub fn get(name: &str) -> Option<u64> {
    let index = NAMES.iter().position(|known| *known == name)?;
    Some(COUNTS[index].load(Ordering::SeqCst))
}

/// Starts every count again at zero.
pub fn reset() {
    for count in &COUNTS {
        count.store(0, Ordering::SeqCst);
    }
}
