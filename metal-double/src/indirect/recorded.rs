//! Recorded commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;

use crate::checks::Bound;
use crate::encoding::{SLOTS, Shape};
use crate::held::{Held, Lifetime};
use crate::memory::Storage;
use crate::pipeline::PipelineCore;
use crate::rules::fail;

/// What commands take from the encoder that executes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inherits {
    pub(crate) buffers: bool,
    pub(crate) pipeline: bool,
}

/// A recorded command. It does not keep what it binds valid, only readable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) pipeline: Option<Arc<PipelineCore>>,
    pub(crate) buffers: [Option<(Arc<Storage>, usize)>; SLOTS],
    pub(crate) threadgroup: [u32; SLOTS],
    pub(crate) shape: Option<Shape>,
    pub(crate) barrier: bool,
}

impl Recorded {
    /// What is bound by the command alone.
    pub(super) fn bound(&self) -> Bound {
        let bits = |f: &dyn Fn(usize) -> bool| {
            (0..SLOTS)
                .filter(|index| f(*index))
                .fold(0, |bits, index| bits | 1 << index)
        };
        Bound {
            buffers: bits(&|index| self.buffers[index].is_some()),
            misaligned: bits(&|index| {
                self.buffers[index]
                    .as_ref()
                    .is_some_and(|(_, offset)| !offset.is_multiple_of(4))
            }),
            threadgroup: bits(&|index| self.threadgroup[index] > 0),
            threadgroup_bytes: self.threadgroup.iter().map(|bytes| *bytes as usize).sum(),
        }
    }
}

/// The commands behind an indirect command buffer.
#[derive(Debug)]
pub(crate) struct IndirectCore {
    pub(crate) lifetime: Lifetime,
    pub(crate) size: usize,
    pub(crate) inherits: Inherits,
    pub(crate) commands: Mutex<Vec<Recorded>>,
    pub(super) types: usize,
    pub(super) max_buffers: usize,
    pub(super) max_threadgroups: usize,
    /// Committed command buffers that execute it and have not ended.
    pub(super) in_flight: AtomicUsize,
}

impl IndirectCore {
    /// A command buffer that executes it was committed.
    pub(crate) fn committed(&self) {
        self.in_flight.fetch_add(1, SeqCst);
    }

    /// It has ended.
    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }

    pub(super) fn may_change(&self, place: &str) -> bool {
        if self.in_flight.load(SeqCst) == 0 {
            return true;
        }
        fail(
            place,
            format_args!(
                "{} is changed while a committed command buffer that executes it has not completed",
                self.lifetime.name()
            ),
        );
        false
    }
}

impl Held for IndirectCore {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }
}
