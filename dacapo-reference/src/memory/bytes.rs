//! Zeroed memory that costs nothing until it is touched, and memory that others own.
#![allow(unsafe_code, reason = "memory of the system, and memory of others")]

use core::any::Any;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64};
use std::alloc::{Layout, alloc_zeroed, dealloc};

use super::region::Region;

const _: () = assert!(
    cfg!(target_endian = "little"),
    "kernels see little-endian memory, and words are not turned around"
);

/// Where the memory begins that is allocated here: at multiples of this.
const ALIGNMENT: usize = 64;

/// Types of which zeros are a value, which need not be dropped and which several threads may use.
///
/// # Safety
/// As said.
pub(super) unsafe trait ZeroIsValid: Sync + Send {}

// SAFETY: integers, shared as atomics are.
unsafe impl ZeroIsValid for AtomicU32 {}
// SAFETY: as above.
unsafe impl ZeroIsValid for AtomicU64 {}
// SAFETY: an array of zeros is zeros.
unsafe impl<T: ZeroIsValid, const N: usize> ZeroIsValid for [T; N] {}

/// Cells in memory of the system, or of others.
pub(super) struct Cells<T> {
    start: NonNull<T>,
    count: usize,
    /// What is given back; nothing, if the memory is of others.
    allocated: Option<(NonNull<u8>, Layout)>,
}

// SAFETY: the memory belongs to this value, or to others who keep it; the cells themselves may be sent and shared.
unsafe impl<T: ZeroIsValid> Send for Cells<T> {}
// SAFETY: as above.
unsafe impl<T: ZeroIsValid> Sync for Cells<T> {}

impl<T: ZeroIsValid> Cells<T> {
    /// Zeros; `None` when the system has no such memory.
    pub(super) fn zeroed(count: usize) -> Option<Cells<T>> {
        let bytes = count.checked_mul(size_of::<T>()).filter(|n| *n > 0)?;
        // The allocator of the standard library takes untouched pages only for small alignments: for others it writes
        // the zeros itself. So this aligns by hand.
        let layout =
            Layout::from_size_align(bytes.checked_add(ALIGNMENT)?, align_of::<T>()).ok()?;
        // SAFETY: the layout is not empty.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let skipped = base.addr().get().wrapping_neg() % ALIGNMENT;
        // SAFETY: fewer than `ALIGNMENT` bytes are skipped, and as many are allocated beyond those of the cells.
        let start = unsafe { base.add(skipped) }.cast();
        Some(Cells {
            start,
            count,
            allocated: Some((base, layout)),
        })
    }
}

impl<T: ZeroIsValid> Deref for Cells<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `count` cells from `start` on are initialised (zeros, or what others put there), aligned, and live as
        // long as this value does. What changes them is atomic.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl<T> Drop for Cells<T> {
    fn drop(&mut self) {
        if let Some((base, layout)) = self.allocated {
            // SAFETY: it was allocated with this layout, and no reference outlives this value.
            unsafe { dealloc(base.as_ptr(), layout) };
        }
    }
}

impl<T> fmt::Debug for Cells<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Region {
    /// Memory of others, all of it written, that is only read: a mapped file. What is written to it is ignored. The
    /// region keeps its owner.
    ///
    /// # Safety
    /// `start` is a multiple of 4, and `len` bytes from there may be read, and are not written through this process,
    /// until `owner` is dropped.
    pub unsafe fn foreign(
        label: &str,
        start: NonNull<u8>,
        len: usize,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Region {
        let mut tail = [0; 4];
        for (at, byte) in tail.iter_mut().enumerate().take(len % 4) {
            // SAFETY: it lies before `len`.
            *byte = unsafe { start.add(len / 4 * 4 + at).read() };
        }
        // Relaxed loads of 32 bits are allowed of read-only memory (`core::sync::atomic`), and `Region` never writes here.
        let words = Cells {
            start: start.cast(),
            count: len / 4,
            allocated: None,
        };
        Region::read_only(label, words, u32::from_le_bytes(tail), len as u64, owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_and_zero() {
        for count in [1, 3, 17, 4096] {
            let cells = Cells::<[AtomicU64; 3]>::zeroed(count).unwrap();
            assert_eq!(cells.as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(cells.len(), count);
            assert!(cells.iter().flatten().all(|cell| {
                let zero = cell.swap(7, core::sync::atomic::Ordering::Relaxed);
                zero == 0
            }));
        }
    }

    #[test]
    fn what_the_system_does_not_have_is_none() {
        assert!(Cells::<AtomicU64>::zeroed(0).is_none());
        assert!(Cells::<AtomicU64>::zeroed(usize::MAX).is_none());
        assert!(Cells::<AtomicU64>::zeroed(usize::MAX / 16).is_none());
    }

    #[test]
    fn foreign_memory_is_read_up_to_its_last_byte_and_never_written() {
        for len in 1..=19_u8 {
            let words: Vec<u32> = (0..len.div_ceil(4))
                .map(|n| 0x0403_0201 * u32::from(n + 1))
                .collect();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let start = NonNull::from(words.as_slice()).cast();
            // SAFETY: a vector of words is aligned and outlives the region.
            let region =
                unsafe { Region::foreign("weights", start, usize::from(len), Box::new(())) };
            assert!(region.is_read_only() && region.is_written(0, u64::from(len)));
            region.write(0, &[9; 19]);
            region.fill(0, u64::from(len), 9);
            for at in (0..u64::from(len)).step_by(4) {
                region.store_word(at, 9);
                region.store_half(at, 9);
                region
                    .word(at)
                    .store(9, core::sync::atomic::Ordering::Relaxed);
            }
            let mut read = vec![0; usize::from(len)];
            region.read(0, &mut read);
            assert_eq!(read, bytes[..usize::from(len)]);
            for (at, byte) in read.iter().enumerate() {
                let word = region.load_word(at as u64 / 4 * 4);
                assert_eq!(word.to_le_bytes()[at % 4], *byte);
            }
            let past = u32::from(len) % 4;
            if past > 0 {
                let last = region.load_word(u64::from(len) / 4 * 4);
                assert_eq!(last >> (8 * past), 0, "bytes past the end are not seen");
            }
            assert!(region.watch(1).is_none());
            assert_eq!(
                bytes,
                words
                    .iter()
                    .flat_map(|word| word.to_le_bytes())
                    .collect::<Vec<_>>()
            );
        }
    }
}
