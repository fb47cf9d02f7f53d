//! The memory of one allocation.

use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::bytes::Cells;
use super::touches::Touches;
use super::written::Written;

/// Bytes that are moved at once.
const CHUNK: usize = 4096;

/// Memory of one allocation.
#[derive(Debug)]
pub struct Region {
    label: Arc<str>,
    len: u64,
    words: Cells<AtomicU32>,
    read_only: bool,
    /// The bytes of a last word that is not whole, of read-only memory; beyond them, zeros.
    tail: u32,
    /// What is changed instead of words that may not be.
    spare: AtomicU32,
    written: Written,
    touches: OnceLock<Option<Touches>>,
    /// Whose memory it is, if it is of others.
    _owner: Option<Box<dyn Any + Send + Sync>>,
}

/// Which word holds the byte at this offset.
#[inline(always)]
fn index(at: u64) -> usize {
    usize::try_from(at / 4).unwrap_or(usize::MAX)
}

impl Region {
    /// Zeroed memory that nobody has written; `None` when the system has no such memory, or none is asked for.
    pub fn zeroed(label: &str, len: u64) -> Option<Region> {
        Some(Region {
            label: label.into(),
            len,
            words: Cells::zeroed(usize::try_from(len.div_ceil(4)).ok()?)?,
            read_only: false,
            tail: 0,
            spare: AtomicU32::new(0),
            written: Written::nothing(len),
            touches: OnceLock::new(),
            _owner: None,
        })
    }

    pub(super) fn read_only(
        label: &str,
        words: Cells<AtomicU32>,
        tail: u32,
        len: u64,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Region {
        Region {
            label: label.into(),
            len,
            words,
            read_only: true,
            tail,
            spare: AtomicU32::new(0),
            written: Written::everything(len),
            touches: OnceLock::new(),
            _owner: Some(owner),
        }
    }

    /// The name given to it.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no region is empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether what is written to it is ignored.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Writes bytes at this offset, from the host. What would lie outside is left out.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        let len = self.inside(at, bytes.len() as u64);
        self.put(at, &bytes[..len]);
        self.mark_written(at, len as u64);
    }

    /// Reads bytes at this offset, to the host. What would lie outside is left as it is.
    pub fn read(&self, at: u64, bytes: &mut [u8]) {
        let len = self.inside(at, bytes.len() as u64);
        let (head, rest) = bytes[..len].split_at_mut(head(at, len));
        self.get_part(at, head);
        let at = at + head.len() as u64;
        let (whole, tail) = rest.as_chunks_mut::<4>();
        for (to, cell) in whole.iter_mut().zip(self.words_from(at)) {
            *to = cell.load(Relaxed).to_le_bytes();
        }
        self.get_part(at + 4 * whole.len() as u64, tail);
    }

    /// Copies bytes, and whether they are written, to others that they do not overlap.
    pub(crate) fn copy(from: &Region, from_at: u64, to: &Region, to_at: u64, len: u64) {
        let len = from.inside(from_at, len).min(to.inside(to_at, len));
        let mut chunk = [0; CHUNK];
        for done in (0..len).step_by(CHUNK) {
            let bytes = &mut chunk[..CHUNK.min(len - done)];
            from.read(from_at + done as u64, bytes);
            to.put(to_at + done as u64, bytes);
        }
        to.written
            .copy_from(to_at, &from.written, from_at, len as u64);
    }

    /// Sets bytes.
    pub(crate) fn fill(&self, at: u64, len: u64, value: u8) {
        let len = self.inside(at, len);
        for done in (0..len).step_by(CHUNK) {
            self.put(at + done as u64, &[value; CHUNK][..CHUNK.min(len - done)]);
        }
        self.mark_written(at, len as u64);
    }

    /// The word at a multiple of 4; 0 outside.
    #[inline]
    pub(crate) fn load_word(&self, at: u64) -> u32 {
        debug_assert!(at.is_multiple_of(4), "words lie at multiples of 4");
        match self.words.get(index(at)) {
            Some(word) => word.load(Relaxed),
            None => self.load_past(at),
        }
    }

    /// The 16 bits at a multiple of 2; 0 outside.
    #[inline]
    pub(crate) fn load_half(&self, at: u64) -> u16 {
        debug_assert!(at.is_multiple_of(2), "halves lie at multiples of 2");
        (self.load_word(at & !3) >> ((at & 2) * 8)) as u16
    }

    /// Sets the word at a multiple of 4; outside, nothing.
    #[inline]
    pub(crate) fn store_word(&self, at: u64, value: u32) {
        debug_assert!(at.is_multiple_of(4), "words lie at multiples of 4");
        if let Some(word) = self.writable().get(index(at)) {
            word.store(value, Relaxed);
        }
    }

    /// Sets the 16 bits at a multiple of 2; outside, nothing. The other half of the word is nobody's loss, whoever
    /// writes it meanwhile.
    #[inline]
    pub(crate) fn store_half(&self, at: u64, value: u16) {
        debug_assert!(at.is_multiple_of(2), "halves lie at multiples of 2");
        let shift = (at & 2) * 8;
        self.merge(at, 0xffff << shift, u32::from(value) << shift);
    }

    /// The word at a multiple of 4, for atomic operations; outside and in read-only memory, one that counts for nothing.
    #[inline]
    pub(crate) fn word(&self, at: u64) -> &AtomicU32 {
        debug_assert!(at.is_multiple_of(4), "words lie at multiples of 4");
        match self.writable().get(index(at)) {
            Some(word) => word,
            None => self.spare(at),
        }
    }

    /// Whether somebody has written all of these bytes. Bytes outside count as written.
    #[inline]
    pub(crate) fn is_written(&self, at: u64, len: u64) -> bool {
        self.written.contains(at, len)
    }

    /// Takes these bytes for written, whoever may have left them as they are.
    pub fn assume_written(&self, at: u64, len: u64) {
        self.mark_written(at, len);
    }

    /// Whether somebody is known to have written everything.
    #[inline]
    pub(crate) fn all_written(&self) -> bool {
        self.written.is_complete()
    }

    /// Says that somebody has written these bytes.
    #[inline]
    pub(crate) fn mark_written(&self, at: u64, len: u64) {
        self.written.mark(at, len);
    }

    /// Begins to remember who touches which word, or goes on with it: a step may write here. What was remembered in
    /// another era, in which groups were numbered anew, is forgotten. `None` if nobody can write here, or the system
    /// has no memory for it.
    pub(crate) fn watch(&self, era: u32) -> Option<&Touches> {
        if self.read_only {
            return None;
        }
        let touches = self
            .touches
            .get_or_init(|| Touches::of(era, self.words.len()))
            .as_ref()?;
        touches.enter(era);
        Some(touches)
    }

    /// How many of `len` bytes from `at` on lie inside.
    fn inside(&self, at: u64, len: u64) -> usize {
        len.min(self.len.saturating_sub(at)) as usize
    }

    #[inline(always)]
    fn writable(&self) -> &[AtomicU32] {
        if self.read_only { &[] } else { &self.words }
    }

    fn words_from(&self, at: u64) -> &[AtomicU32] {
        self.words.get(index(at)..).unwrap_or_default()
    }

    #[cold]
    fn load_past(&self, at: u64) -> u32 {
        if index(at) == self.words.len() {
            self.tail
        } else {
            0
        }
    }

    #[cold]
    fn spare(&self, at: u64) -> &AtomicU32 {
        self.spare.store(self.load_word(at), Relaxed);
        &self.spare
    }

    /// Sets the bits of the mask, of the word around this offset.
    fn merge(&self, at: u64, mask: u32, value: u32) {
        if let Some(word) = self.writable().get(index(at)) {
            let _ = word.fetch_update(Relaxed, Relaxed, |old| Some(old & !mask | value));
        }
    }

    /// Sets bytes, which lie inside.
    fn put(&self, at: u64, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(head(at, bytes.len()));
        self.put_part(at, head);
        let at = at + head.len() as u64;
        let (whole, tail) = rest.as_chunks::<4>();
        if !self.read_only {
            for (cell, word) in self.words_from(at).iter().zip(whole) {
                cell.store(u32::from_le_bytes(*word), Relaxed);
            }
        }
        self.put_part(at + 4 * whole.len() as u64, tail);
    }

    /// Sets bytes of one word.
    fn put_part(&self, at: u64, bytes: &[u8]) {
        let (mut mask, mut value) = ([0; 4], [0; 4]);
        for (at, byte) in (at as usize % 4..4).zip(bytes) {
            (mask[at], value[at]) = (0xff, *byte);
        }
        if !bytes.is_empty() {
            self.merge(at, u32::from_le_bytes(mask), u32::from_le_bytes(value));
        }
    }

    /// Reads bytes of one word.
    fn get_part(&self, at: u64, bytes: &mut [u8]) {
        let word = self.load_word(at & !3).to_le_bytes();
        for (to, byte) in bytes.iter_mut().zip(&word[at as usize % 4..]) {
            *to = *byte;
        }
    }
}

/// How many of `len` bytes come before the first whole word.
fn head(at: u64, len: usize) -> usize {
    len.min((at.wrapping_neg() % 4) as usize)
}

#[cfg(test)]
mod tests;
