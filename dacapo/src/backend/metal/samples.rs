//! Counter sample buffers. Metal lets 32 exist in a process, of 32 KiB each: a submission takes pieces of them.
#![allow(unsafe_code, reason = "reads samples of Metal's counters")]

use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLComputePassDescriptor, MTLCounterSampleBuffer, MTLCounterSampleBufferDescriptor,
    MTLCounterSet, MTLDevice, MTLDispatchType, MTLStorageMode,
};
use parking_lot::Mutex;

use crate::backend::metal::fault;
use crate::backend::metal::object::Shared;
use crate::backend::metal::shelf::{PIECES, Place, Shelf};

/// Dispatches that a piece has samples for, two each.
pub(super) const DISPATCHES: usize = 128;

/// Samples of a piece, and of a whole buffer: 32 KiB.
const PIECE: usize = 2 * DISPATCHES;
const SAMPLES: usize = PIECE * PIECES as usize;

type SampleBuffer = Shared<ProtocolObject<dyn MTLCounterSampleBuffer>>;

/// The sample buffers of a device, made as they are needed.
pub(super) struct Samples {
    /// `None` where the device cannot tell when passes begin and end.
    timestamps: Option<Shared<ProtocolObject<dyn MTLCounterSet>>>,
    shelf: Arc<Mutex<Shelf<SampleBuffer>>>,
}

/// A piece of a sample buffer, which goes back when this is dropped: not before the device has run what writes it.
pub(super) struct Piece {
    buffer: SampleBuffer,
    place: Place,
    shelf: Arc<Mutex<Shelf<SampleBuffer>>>,
}

impl Samples {
    /// Timestamps of `device`, if they can be taken at the ends of passes.
    pub(super) fn new(device: &ProtocolObject<dyn MTLDevice>, at_passes: bool) -> Samples {
        let sets = device.counterSets().filter(|_| at_passes);
        let timestamps = sets.and_then(|sets| {
            let mut sets = sets.iter();
            sets.find(|set| set.name().to_string() == "timestamp")
        });
        Samples {
            // SAFETY: Metal's headers say that any thread may use a set, which nobody changes.
            timestamps: timestamps.map(|set| unsafe { Shared::new(set) }),
            shelf: Arc::default(),
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.timestamps.is_some()
    }

    /// A free piece, or why there is none.
    pub(super) fn take(&self, device: &ProtocolObject<dyn MTLDevice>) -> Result<Piece, String> {
        let mut shelf = self.shelf.lock();
        let (buffer, place) = match shelf.take() {
            Some(free) => free,
            None => shelf.add(self.buffer(device)?),
        };
        Ok(Piece {
            buffer,
            place,
            shelf: self.shelf.clone(),
        })
    }

    fn buffer(&self, device: &ProtocolObject<dyn MTLDevice>) -> Result<SampleBuffer, String> {
        let descriptor = MTLCounterSampleBufferDescriptor::new();
        descriptor.setCounterSet(self.timestamps.as_deref());
        descriptor.setStorageMode(MTLStorageMode::Shared);
        descriptor.setLabel(&NSString::from_str("dacapo"));
        // SAFETY: so many samples are what Metal allows at most.
        unsafe { descriptor.setSampleCount(SAMPLES) };
        let buffer = device
            .newCounterSampleBufferWithDescriptor_error(&descriptor)
            .map_err(|error| fault::text(&error))?;
        // SAFETY: nobody changes it but the device, and of each sample that only for the one who holds its piece.
        Ok(unsafe { Shared::new(buffer) })
    }
}

impl Piece {
    fn first(&self) -> usize {
        self.place.piece as usize * PIECE
    }

    /// A pass that is timed as the dispatch at this place among those of the piece.
    pub(super) fn pass(
        &self,
        dispatch: usize,
        order: MTLDispatchType,
    ) -> Retained<MTLComputePassDescriptor> {
        debug_assert!(dispatch < DISPATCHES);
        let start = self.first() + 2 * dispatch;
        let pass = MTLComputePassDescriptor::computePassDescriptor();
        pass.setDispatchType(order);
        // SAFETY: an attachment 0 is there, also where it is empty, and the buffer has the samples.
        unsafe {
            let times = pass.sampleBufferAttachments().objectAtIndexedSubscript(0);
            times.setSampleBuffer(Some(&self.buffer));
            times.setStartOfEncoderSampleIndex(start);
            times.setEndOfEncoderSampleIndex(start + 1);
        }
        pass
    }

    /// The samples of so many dispatches, once the device has run them.
    pub(super) fn ticks(&self, dispatches: usize) -> Option<Vec<[u64; 2]>> {
        let range = NSRange::new(self.first(), 2 * dispatches.min(DISPATCHES));
        // SAFETY: the buffer has the samples, and the device no longer writes them.
        let data = unsafe { self.buffer.resolveCounterRange(range) }?.to_vec();
        let ticks = data.as_chunks().0.iter().map(|it| u64::from_ne_bytes(*it));
        let ticks: Vec<u64> = ticks.collect();
        (ticks.len() == range.length).then(|| ticks.as_chunks().0.to_vec())
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.shelf.lock().give_back(self.place);
    }
}
