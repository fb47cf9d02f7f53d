//! Who touched each word of memory since the last barrier of the device, to find races.
//!
//! Three touches are kept of each word: the last plain write, the last read and another read; atomic operations are kept
//! with the reads, because they do not conflict with each other either. That is enough to see the first conflict of
//! each word, as long as whole words are touched, and as long as no workgroup touches a word both atomically and
//! plainly, which WGSL cannot say:
//! - Before the first conflict, whatever came before the last plain write comes before it in every order, so who
//!   conflicts with the former conflicts with the latter.
//! - Of the reads it is enough to know two that are as far apart as any: in two workgroups, else in two subgroups
//!   without a barrier of the workgroup since, else of two invocations, the latest ones. Any later write conflicts
//!   with one of the two if it conflicts with any.
//!
//! With accesses to parts of words a touch may displace one of other bytes, and a conflict may go unseen. What is
//! reported is always a conflict.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::bytes::Cells;
use super::touch::{Now, Touch};

/// The touches of some memory.
#[derive(Debug)]
pub(crate) struct Touches {
    words: Cells<[AtomicU64; 3]>,
    era: AtomicU32,
}

/// In the writer's place while a thread looks at a word of shared memory: atomic, yet of no bytes, so nobody's touch.
const BUSY: u64 = 1;

/// Looks after which a thread lets others run.
const PATIENCE: u32 = 64;

impl Touches {
    /// Of so many words that nobody has touched; `None` when the system has no memory for it, or none is asked for.
    pub(crate) fn new(words: usize) -> Option<Touches> {
        Some(Touches {
            words: Cells::zeroed(words)?,
            era: AtomicU32::new(0),
        })
    }

    /// Forgets them all, if they are of another era.
    pub(super) fn enter(&self, era: u32) {
        if self.era.swap(era, Relaxed) != era {
            self.forget();
        }
    }

    /// Forgets them all. No thread may touch the memory meanwhile.
    pub(crate) fn forget(&self) {
        for slot in self.words.iter().flatten() {
            // Untouched memory stays untouched, which costs nothing.
            if slot.load(Relaxed) != 0 {
                slot.store(0, Relaxed);
            }
        }
    }

    /// Remembers a read, and gives the earlier touch that conflicts with it.
    #[inline]
    pub(crate) fn read(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        self.enquire(word, now, |writer, slots| {
            let found = now.meets(writer, touch).then_some(writer);
            let found = found.or_else(|| slots.conflict(touch, now));
            slots.remember(touch, now);
            (writer, found)
        })
    }

    /// Remembers a write, and gives the earlier touch that conflicts with it.
    #[inline]
    pub(crate) fn write(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        self.enquire(word, now, |writer, slots| {
            let found = now.meets(writer, touch).then_some(writer);
            let found = found.or_else(|| slots.conflict_with_write(touch, now));
            (touch.joining(writer), found)
        })
    }

    /// Remembers an atomic operation, and gives the earlier touch that conflicts with it.
    #[inline]
    pub(crate) fn atomic(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        let touch = touch.atomic();
        self.enquire(word, now, |writer, slots| {
            let found = now.meets(writer, touch).then_some(writer);
            let found = found.or_else(|| slots.conflict_with_write(touch, now));
            slots.remember(touch, now);
            (writer, found)
        })
    }

    /// Asks with the last writer and the other slots, alone, and keeps the writer that comes back.
    #[inline(always)]
    fn enquire(
        &self,
        word: usize,
        now: &Now<'_>,
        ask: impl FnOnce(Touch, Readers<'_>) -> (Touch, Option<Touch>),
    ) -> Option<Touch> {
        let [writer, latest, another] = self.words.get(word)?;
        let slots = Readers { latest, another };
        if now.shared {
            let before = lock(writer);
            let (after, found) = ask(Touch::from_bits(before), slots);
            writer.store(after.bits(), Release);
            found
        } else {
            let (after, found) = ask(Touch::from_bits(writer.load(Relaxed)), slots);
            writer.store(after.bits(), Relaxed);
            found
        }
    }
}

#[inline]
fn lock(writer: &AtomicU64) -> u64 {
    loop {
        let before = writer.swap(BUSY, Acquire);
        if before != BUSY {
            return before;
        }
        wait(writer);
    }
}

#[cold]
fn wait(writer: &AtomicU64) {
    for _ in 0..PATIENCE {
        if writer.load(Relaxed) != BUSY {
            return;
        }
        core::hint::spin_loop();
    }
    std::thread::yield_now();
}

/// The slots of a word for what is not a plain write.
#[derive(Clone, Copy)]
struct Readers<'a> {
    latest: &'a AtomicU64,
    another: &'a AtomicU64,
}

impl Readers<'_> {
    fn latest(self) -> Touch {
        Touch::from_bits(self.latest.load(Relaxed))
    }

    fn another(self) -> Touch {
        Touch::from_bits(self.another.load(Relaxed))
    }

    #[inline]
    fn conflict(self, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        [self.latest(), self.another()]
            .into_iter()
            .find(|earlier| earlier.is_atomic() && now.meets(*earlier, touch))
    }

    #[inline]
    fn conflict_with_write(self, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        [self.latest(), self.another()]
            .into_iter()
            .find(|earlier| now.meets(*earlier, touch))
    }

    #[inline]
    fn remember(self, touch: Touch, now: &Now<'_>) {
        let latest = self.latest();
        self.latest.store(touch.joining(latest).bits(), Relaxed);
        if !latest.is_of(touch) && !self.is_other_far(latest, touch, now) {
            self.another.store(latest.bits(), Relaxed);
        }
    }

    /// Whether the other one is so far from this touch that the latest cannot be farther.
    #[inline]
    fn is_other_far(self, latest: Touch, touch: Touch, now: &Now<'_>) -> bool {
        let another = self.another();
        if !now.has(another) {
            return false;
        }
        another.group() != touch.group()
            || latest.group() == touch.group()
                && another.tick() >= now.barrier
                && !now.share_subgroup(another, touch)
    }
}

#[cfg(test)]
mod tests;
