//! Which bytes anybody has written.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::bytes::Cells;

/// One bit for each byte, where it matters: not as long as nothing is written, and not when everything is.
///
/// Threads that mark bytes at the same time lose nothing. Where one marks and another copies unwritten bytes to the
/// same place, a race anyway, either may win, or all may count as written.
#[derive(Debug)]
pub(super) struct Written {
    len: u64,
    /// Everything is; the bits say nothing then.
    all: AtomicBool,
    /// `None` inside when the system has no such memory: then everything counts as written.
    bits: OnceLock<Option<Cells<AtomicU64>>>,
    /// How many of the cells have all of their bits.
    full: AtomicUsize,
    /// Held by whoever turns "everything" back into bits.
    unpacking: Mutex<()>,
}

/// The first `count` bits, at most 64.
#[inline(always)]
fn ones(count: u64) -> u64 {
    if count >= 64 {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

/// The cells that these bits lie in, each with its mask and the place of its first bit in the range.
fn pieces(at: u64, len: u64) -> impl Iterator<Item = (usize, u64, u64)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let (from, first) = (at + done, done);
        let count = (64 - from % 64).min(len - done);
        done += count;
        (count > 0).then(|| ((from / 64) as usize, ones(count) << (from % 64), first))
    })
}

impl Written {
    /// Nobody has written anything.
    pub(super) fn nothing(len: u64) -> Written {
        Written {
            len,
            all: AtomicBool::new(false),
            bits: OnceLock::new(),
            full: AtomicUsize::new(0),
            unpacking: Mutex::new(()),
        }
    }

    /// All of it is written.
    pub(super) fn everything(len: u64) -> Written {
        let written = Written::nothing(len);
        written.all.store(true, Relaxed);
        written
    }

    /// Whether everything is known to be written.
    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.all.load(Relaxed)
    }

    /// Whether all of these bytes are written. Bytes outside count as written.
    #[inline]
    pub(super) fn contains(&self, at: u64, len: u64) -> bool {
        if self.all.load(Relaxed) {
            return true;
        }
        match self.bits.get() {
            Some(Some(bits)) if len <= 64 - at % 64 => {
                let mask = ones(len) << (at % 64);
                bits.get((at / 64) as usize)
                    .is_none_or(|cell| cell.load(Relaxed) & mask == mask)
            }
            _ => self.contains_far(at, len),
        }
    }

    fn contains_far(&self, at: u64, len: u64) -> bool {
        let len = self.inside(at, len);
        match self.bits.get() {
            None => len == 0,
            Some(None) => true,
            Some(Some(bits)) => {
                pieces(at, len).all(|(cell, mask, _)| bits[cell].load(Relaxed) & mask == mask)
            }
        }
    }

    /// These bytes are written now.
    #[inline]
    pub(super) fn mark(&self, at: u64, len: u64) {
        if !self.contains(at, len) {
            self.mark_anew(at, len);
        }
    }

    fn mark_anew(&self, at: u64, len: u64) {
        let len = self.inside(at, len);
        if len == self.len {
            self.all.store(true, Relaxed);
        } else if let Some(bits) = self.bits() {
            for (cell, mask, _) in pieces(at, len) {
                self.add(bits, cell, mask);
            }
        }
    }

    /// These bytes are written now where those of the other are, and no others.
    pub(super) fn copy_from(&self, at: u64, from: &Written, from_at: u64, len: u64) {
        let len = self.inside(at, len);
        if from.contains(from_at, len) {
            return self.mark(at, len);
        }
        let Some(bits) = self.unpacked() else {
            return;
        };
        let values = || {
            pieces(at, len).map(|(cell, mask, first)| {
                let value = from.load(from_at + first, mask.count_ones().into());
                (cell, mask, value << mask.trailing_zeros())
            })
        };
        // Taken away first, so that nothing looks complete in between.
        for (cell, mask, value) in values() {
            self.take(bits, cell, mask & !value);
        }
        for (cell, _, value) in values() {
            self.add(bits, cell, value);
        }
    }

    fn inside(&self, at: u64, len: u64) -> u64 {
        len.min(self.len.saturating_sub(at))
    }

    /// The bits of up to 64 bytes inside.
    fn load(&self, at: u64, count: u64) -> u64 {
        if self.all.load(Relaxed) {
            return ones(count);
        }
        match self.bits.get() {
            None => 0,
            Some(None) => ones(count),
            Some(Some(bits)) => pieces(at, count).fold(0, |sum, (cell, mask, first)| {
                sum | ((bits[cell].load(Relaxed) & mask) >> mask.trailing_zeros()) << first
            }),
        }
    }

    /// The bits; without memory for them, everything counts as written.
    fn bits(&self) -> Option<&Cells<AtomicU64>> {
        let bits = self.bits.get_or_init(|| {
            let bits = Cells::<AtomicU64>::zeroed(usize::try_from(self.len.div_ceil(64)).ok()?)?;
            // Bits of no byte are never in the way.
            if let (Some(last), rest @ 1..) = (bits.last(), self.len % 64) {
                last.store(!ones(rest), Relaxed);
            }
            Some(bits)
        });
        if bits.is_none() {
            self.all.store(true, Relaxed);
        }
        bits.as_ref()
    }

    /// The bits, which say something from now on.
    fn unpacked(&self) -> Option<&Cells<AtomicU64>> {
        let bits = self.bits()?;
        let _alone = self
            .unpacking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.all.load(Relaxed) {
            for cell in bits.iter() {
                cell.store(u64::MAX, Relaxed);
            }
            self.full.store(bits.len(), Relaxed);
            self.all.store(false, Relaxed);
        }
        Some(bits)
    }

    fn add(&self, bits: &Cells<AtomicU64>, cell: usize, mask: u64) {
        let old = bits[cell].fetch_or(mask, Relaxed);
        if old != u64::MAX
            && old | mask == u64::MAX
            && self.full.fetch_add(1, Relaxed) + 1 == bits.len()
        {
            self.all.store(true, Relaxed);
        }
    }

    fn take(&self, bits: &Cells<AtomicU64>, cell: usize, mask: u64) {
        if bits[cell].fetch_and(!mask, Relaxed) == u64::MAX && mask != 0 {
            self.full.fetch_sub(1, Relaxed);
        }
    }
}
