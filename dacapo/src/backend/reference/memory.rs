#![allow(
    unsafe_code,
    reason = "lets kernels read the host's memory where it lies"
)]

use core::any::Any;
use core::ops::Range;
use core::ptr::NonNull;
use std::sync::Arc;

use dacapo_reference::Region;

use crate::backend::{self, Bound};
use crate::memory::HostBytes;

/// Bytes of a `u32`, the smallest that WGSL reaches.
const WORD: u64 = 4;

/// Memory under check. The host reaches it through the device alone, so that it is known what the host wrote.
pub(super) struct ReferenceMemory {
    pub(super) region: Arc<Region>,
}

impl ReferenceMemory {
    /// Memory of whole words; `None` when the system has no such memory.
    pub(super) fn zeroed(label: &str, size: u64) -> Option<ReferenceMemory> {
        let whole = size.checked_next_multiple_of(WORD)?;
        let region = Region::zeroed(label, whole)?;
        // What is behind the end belongs to nobody, and is read with the last word.
        region.assume_written(size, whole - size);
        Some(ReferenceMemory {
            region: Arc::new(region),
        })
    }

    /// The host's memory where it lies, if that is at whole words; otherwise gives it back.
    pub(super) fn foreign(label: &str, bytes: HostBytes) -> Result<ReferenceMemory, HostBytes> {
        let (start, len) = (bytes.start(), bytes.get().len());
        if !start.addr().get().is_multiple_of(WORD as usize) {
            return Err(bytes);
        }
        // SAFETY: the bytes lie at whole words and stay as they are until their owner, the last argument, is dropped.
        let region = unsafe { Region::foreign(label, start, len, Box::new(bytes)) };
        Ok(ReferenceMemory {
            region: Arc::new(region),
        })
    }
}

impl backend::Memory for ReferenceMemory {
    fn host(&self) -> Option<NonNull<u8>> {
        None
    }
}

/// A part of a region.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) region: Arc<Region>,
    pub(super) range: Range<u64>,
}

impl Span {
    /// The bytes that are bound.
    pub(super) fn exact(bound: &Bound<'_>) -> Span {
        let memory: &dyn Any = &*bound.view.allocation.memory;
        match memory.downcast_ref::<ReferenceMemory>() {
            Some(memory) => Span {
                region: memory.region.clone(),
                range: bound.range.start..bound.range.end,
            },
            None => unreachable!("the view was checked to belong to this device"),
        }
    }

    /// These bytes in whole words: WGSL reaches bytes and halves as parts of a `u32`, also the last ones of a view. No
    /// other binding can start in that word. Memory of the host ends where it does.
    pub(super) fn whole_words(bound: &Bound<'_>) -> Span {
        let Span { region, range } = Span::exact(bound);
        let len = (range.end - range.start).next_multiple_of(WORD);
        let end = (range.start + len).min(region.len());
        // What fills up the last word comes along with it, and means nothing.
        region.assume_written(range.end, end - range.end);
        Span {
            region,
            range: range.start..end,
        }
    }
}
