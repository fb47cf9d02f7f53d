//! Who touched which word of a buffer last: what races are found with.

use std::cell::UnsafeCell;

/// Words of one piece of the shadow, which is made when one of them is touched first.
const PIECE: usize = 1024;

/// Number of a dispatch, growing over the life of the process; 0 is none.
pub(crate) type Serial = u32;

/// What is known about one word of four bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    pub(crate) writers: Touches,
    pub(crate) readers: Touches,
}

/// The last dispatch, and the last one before it that was another one: this one may have touched other bytes, or be the very
/// dispatch that is compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touches(pub(crate) [Touch; 2]);

impl Touches {
    /// Adds an access.
    pub(crate) fn update(&mut self, new: Touch) {
        let [last, before] = &mut self.0;
        if last.serial == new.serial {
            last.bytes |= new.bytes;
            last.atomic &= new.atomic;
        } else {
            *before = *last;
            *last = new;
        }
    }
}

/// One dispatch's access to a word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touch {
    pub(crate) serial: Serial,
    /// Which of the four bytes.
    pub(crate) bytes: u8,
    /// Whether every such access was atomic.
    pub(crate) atomic: bool,
}

/// The words of a buffer. Only whoever holds the lock of [`crate::hazards`] may look.
pub(crate) struct Shadow {
    pieces: UnsafeCell<Vec<Option<Box<[Word; PIECE]>>>>,
    /// First dispatch after the last barrier for this resource alone.
    pub(crate) barrier: UnsafeCell<Serial>,
}

impl std::fmt::Debug for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shadow")
    }
}

impl Shadow {
    pub(crate) const fn new() -> Self {
        Self {
            pieces: UnsafeCell::new(Vec::new()),
            barrier: UnsafeCell::new(0),
        }
    }

    /// The word at this index (offset in bytes divided by four).
    ///
    /// # Safety
    /// The caller holds the lock of the hazards and lets go of the word before it asks for another one.
    #[allow(clippy::mut_from_ref, reason = "the lock of the hazards guards it")]
    pub(crate) unsafe fn word(&self, index: usize) -> &mut Word {
        // SAFETY: as promised by the caller.
        let pieces = unsafe { &mut *self.pieces.get() };
        let piece = index / PIECE;
        if piece >= pieces.len() {
            pieces.resize_with(piece + 1, || None);
        }
        let words = pieces[piece].get_or_insert_with(|| Box::new([Word::default(); PIECE]));
        &mut words[index % PIECE]
    }
}
