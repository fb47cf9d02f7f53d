//! A short sorted run of disjoint segments, the leaf of an interval map.

use crate::ByteRange;

/// Segments a chunk holds; a power of two. 16 measures the same in `benches/hazards.rs` up to 10,000
/// ranges, and moves the directory twice as often.
pub(super) const CAPACITY: usize = 32;

/// A range and the dispatch that touched it last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) range: ByteRange,
    pub(super) dispatch: u32,
}

/// Up to [`CAPACITY`] segments in ascending order, none empty and no two overlapping.
///
/// Segments past `len` end at `u64::MAX`, so that a search takes the same steps whatever `len` is, and
/// no branch of it depends on data.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    segments: [Segment; CAPACITY],
    len: usize,
}

const UNUSED: Segment = Segment {
    range: ByteRange::new(u64::MAX, u64::MAX),
    dispatch: 0,
};

impl Chunk {
    pub(super) const EMPTY: Chunk = Chunk {
        segments: [UNUSED; CAPACITY],
        len: 0,
    };

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// The position of the first segment that ends after `byte`; `len` or more if none does.
    #[inline]
    pub(super) fn position(&self, byte: u64) -> usize {
        let before = |at: usize| self.segments[at].range.end <= byte;
        let mut at = 0;
        let mut step = CAPACITY / 2;
        while step > 0 {
            at += usize::from(before(at + step - 1)) * step;
            step /= 2;
        }
        at + usize::from(before(at))
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Segment> {
        self.segments[..self.len].get(at).copied()
    }

    /// The end of the last segment, 0 if there is none.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.segments[..self.len]
            .last()
            .map_or(0, |last| last.range.end)
    }

    #[inline]
    pub(super) fn set_dispatch(&mut self, at: usize, dispatch: u32) {
        self.segments[at].dispatch = dispatch;
    }

    /// Puts a segment before the one at `at`; the chunk must not be full.
    #[inline]
    pub(super) fn insert(&mut self, at: usize, segment: Segment) {
        let len = self.len;
        self.segments.copy_within(at..len, at + 1);
        self.segments[at] = segment;
        self.len = len + 1;
    }

    /// Takes out the segments `from..to`.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        let len = self.len;
        self.segments.copy_within(to..len, from);
        self.len = len - (to - from);
        self.segments[self.len..len].fill(UNUSED);
    }

    /// Moves the upper half into `upper`, which must be empty.
    pub(super) fn split_into(&mut self, upper: &mut Chunk) {
        let half = self.len / 2;
        let moved = self.len - half;
        upper.segments[..moved].copy_from_slice(&self.segments[half..self.len]);
        upper.len = moved;
        self.segments[half..].fill(UNUSED);
        self.len = half;
    }

    pub(super) fn clear(&mut self) {
        self.segments.fill(UNUSED);
        self.len = 0;
    }
}

#[cfg(test)]
impl Chunk {
    /// Panics if the chunk is empty or its unused ends would be found by a search.
    pub(super) fn assert_sound(&self) {
        assert!((1..=CAPACITY).contains(&self.len));
        assert!(
            self.segments[self.len..]
                .iter()
                .all(|unused| *unused == UNUSED)
        );
    }
}
