//! When each dispatch of a command buffer runs. Apple's GPUs tell the time at the ends of passes only, so that each
//! timed dispatch has a pass of its own.

use std::time::Instant;

use objc2::rc::Retained;
use objc2_metal::{MTLComputePassDescriptor, MTLDispatchType};
use parking_lot::Mutex;

use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::samples::{DISPATCHES, Piece};

/// Samples of counters, in pieces that are taken as they are needed and go back when they have been read.
#[derive(Default)]
pub(super) struct Stopwatch {
    is_wanted: bool,
    /// Whether Metal had no room for a sample. What was timed by then is not told, since a part of a submission's
    /// dispatches would be taken for all of them.
    has_failed: bool,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    pieces: Vec<Piece>,
    dispatches: usize,
}

impl Stopwatch {
    /// Times dispatches from now on, if the device can.
    pub(super) fn run(&mut self, gpu: &Gpu) {
        self.is_wanted = gpu.samples.is_there();
    }

    /// Whether the next dispatch is timed.
    pub(super) fn is_running(&self) -> bool {
        self.is_wanted && !self.has_failed
    }

    /// How the pass of the next dispatch begins, which is in no other; `None` where it is not timed.
    #[inline]
    pub(super) fn pass(
        &mut self,
        gpu: &Gpu,
        order: MTLDispatchType,
    ) -> Option<Retained<MTLComputePassDescriptor>> {
        match self.is_running() {
            true => self.timed(gpu, order),
            false => None,
        }
    }

    fn timed(
        &mut self,
        gpu: &Gpu,
        order: MTLDispatchType,
    ) -> Option<Retained<MTLComputePassDescriptor>> {
        let Taken { pieces, dispatches } = self.taken.get_mut();
        let (piece, within) = (*dispatches / DISPATCHES, *dispatches % DISPATCHES);
        if piece == pieces.len() {
            match gpu.samples.take(&gpu.device) {
                Ok(piece) => pieces.push(piece),
                Err(reason) => {
                    tracing::warn!(reason, "a submission's dispatches are not timed");
                    self.has_failed = true;
                    return None;
                }
            }
        }
        *dispatches += 1;
        Some(pieces[piece].pass(within, order))
    }

    /// Forgets the dispatches, and times others if it timed these.
    pub(super) fn restart(&mut self) {
        self.has_failed = false;
        *self.taken.get_mut() = Taken::default();
    }

    /// Forgets the dispatches, and times no others.
    pub(super) fn reset(&mut self) {
        self.restart();
        self.is_wanted = false;
    }

    /// Adds beginnings and ends, once the device has run the commands, and gives the samples back. Nothing is added
    /// where one dispatch has no time.
    pub(super) fn add_to(&self, gpu: &Gpu, times: &mut Vec<[Instant; 2]>) {
        let Taken { pieces, dispatches } = core::mem::take(&mut *self.taken.lock());
        if self.has_failed {
            return;
        }
        let first = times.len();
        let place = |[start, end]: [u64; 2]| {
            let moment = |ticks| gpu.clock.moment(&gpu.device, ticks);
            Some([moment(start)?, moment(end)?])
        };
        for (at, piece) in pieces.iter().enumerate() {
            let count = DISPATCHES.min(dispatches - at * DISPATCHES);
            let ticks = piece.ticks(count).unwrap_or_default();
            let placed: Option<Vec<_>> = ticks.into_iter().map(place).collect();
            match placed {
                Some(placed) if placed.len() == count => times.extend(placed),
                _ => return times.truncate(first),
            }
        }
    }
}
