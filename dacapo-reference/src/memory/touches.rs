//! Who touched each word of memory since the last barrier of the device, to find races.
//!
//! Three touches are kept of each word: the last plain write, the last read and another read; atomic operations are kept
//! with the reads, because they do not conflict with each other either. That is enough to see the first conflict of
//! each word, as long as whole words are touched, and as long as no workgroup touches a word both atomically and
//! plainly, which WGSL cannot say:
//! - Before the first conflict, whatever came before the last plain write comes before it in every order, so who
//!   conflicts with the former conflicts with the latter.
//! - Of the reads it is enough to know two that are as far apart as any: of two workgroups, else of two subgroups
//!   without a barrier of the workgroup since, else the latest ones of two invocations. A later write that conflicts
//!   with any read conflicts with one of these.
//!
//! With accesses to parts of words the last write may be of other bytes than the one before, which is then kept with the
//! reads. There are not enough slots for every order of such accesses, and a conflict may go unseen. What is reported is
//! always a conflict.
//!
//! Of threads that touch a word at the same time one waits for the other, some nanoseconds, so that all of this holds
//! for them too, in the order that comes about.

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

/// How a word is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Read,
    Write,
    /// An atomic operation that changes nothing.
    AtomicLoad,
    /// Any other atomic operation.
    Atomic,
}

impl Touches {
    /// Of so many words that nobody has touched; `None` when the system has no memory for it, or none is asked for.
    pub(crate) fn new(words: usize) -> Option<Touches> {
        Touches::of(0, words)
    }

    /// The same, of an era.
    pub(super) fn of(era: u32, words: usize) -> Option<Touches> {
        Some(Touches {
            words: Cells::zeroed(words)?,
            era: AtomicU32::new(era),
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

    /// Remembers an access, and gives the earlier touch that conflicts with it.
    #[inline(always)]
    pub(crate) fn access(
        &self,
        manner: Manner,
        word: usize,
        touch: Touch,
        now: &Now<'_>,
    ) -> Option<Touch> {
        match manner {
            Manner::Read => self.read(word, touch, now),
            Manner::Write => self.write(word, touch, now),
            Manner::AtomicLoad => self.atomic_load(word, touch, now),
            Manner::Atomic => self.atomic(word, touch, now),
        }
    }

    /// Remembers a read, and gives the earlier touch that conflicts with it.
    #[inline]
    pub(super) fn read(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        self.look(word, touch, now, |readers| readers.met_by_read(touch, now))
    }

    /// Remembers a write, and gives the earlier touch that conflicts with it.
    #[inline]
    pub(super) fn write(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        let (slot, readers) = self.slots(word)?;
        let writer = take(slot, now);
        let found = if now.meets(writer, touch) {
            Some(writer)
        } else {
            readers.met_by_write(touch, now)
        };
        let joined = touch.joining(writer);
        if writer.bytes() & !joined.bytes() != 0 && now.has(writer) {
            // An atomic operation meets the same reads and writes.
            readers.remember(writer.atomic(), now);
        }
        put(slot, joined);
        found
    }

    /// Remembers an atomic operation, and gives the earlier touch that conflicts with it.
    #[inline]
    pub(super) fn atomic(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        let touch = touch.atomic();
        self.look(word, touch, now, |readers| readers.met_by_write(touch, now))
    }

    /// Remembers an atomic operation that changes nothing, and gives the earlier touch that conflicts with it: a write.
    #[inline]
    pub(super) fn atomic_load(&self, word: usize, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        self.look(word, touch.atomic_load(), now, |_| None)
    }

    /// Remembers what is no plain write; gives the writer if it conflicts, or else whom of the readers it meets.
    #[inline(always)]
    fn look(
        &self,
        word: usize,
        touch: Touch,
        now: &Now<'_>,
        met: impl FnOnce(Readers<'_>) -> Option<Touch>,
    ) -> Option<Touch> {
        let (slot, readers) = self.slots(word)?;
        let writer = take(slot, now);
        let found = if now.meets(writer, touch) {
            Some(writer)
        } else {
            met(readers)
        };
        readers.remember(touch, now);
        if now.shared {
            put(slot, writer);
        }
        found
    }

    #[inline(always)]
    fn slots(&self, word: usize) -> Option<(&AtomicU64, Readers<'_>)> {
        let [writer, latest, another] = self.words.get(word)?;
        Some((writer, Readers { latest, another }))
    }
}

/// The last writer. If memory is shared, nobody else gets at the word until it is put back.
#[inline(always)]
fn take(slot: &AtomicU64, now: &Now<'_>) -> Touch {
    Touch::from_bits(if now.shared {
        lock(slot)
    } else {
        slot.load(Relaxed)
    })
}

#[inline(always)]
fn put(slot: &AtomicU64, writer: Touch) {
    slot.store(writer.bits(), Release);
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
    #[inline(always)]
    fn latest(self) -> Touch {
        Touch::from_bits(self.latest.load(Relaxed))
    }

    #[inline(always)]
    fn another(self) -> Touch {
        Touch::from_bits(self.another.load(Relaxed))
    }

    /// Whom a read meets: atomic operations alone.
    #[inline(always)]
    fn met_by_read(self, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        let (latest, another) = (self.latest(), self.another());
        if !latest.is_change() & !another.is_change() {
            None
        } else if latest.is_change() && now.meets(latest, touch) {
            Some(latest)
        } else if another.is_change() && now.meets(another, touch) {
            Some(another)
        } else {
            None
        }
    }

    /// Whom a write or an atomic operation meets.
    #[inline(always)]
    fn met_by_write(self, touch: Touch, now: &Now<'_>) -> Option<Touch> {
        let (latest, another) = (self.latest(), self.another());
        if now.meets(latest, touch) {
            Some(latest)
        } else if now.meets(another, touch) {
            Some(another)
        } else {
            None
        }
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
