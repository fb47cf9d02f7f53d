//! A short sorted run of disjoint segments, the leaf of an interval map.

use crate::ByteRange;

/// Segments a chunk holds; a power of two. 16 measures the same in `benches/hazards.rs` up to 10,000
/// ranges, and moves the directory twice as often.
pub(super) const CAPACITY: usize = 32;

/// Ends that are compared side by side; a cache line of them.
const LINE: usize = 8;

/// A range and the dispatch that touched it last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) range: ByteRange,
    pub(super) dispatch: u32,
}

/// Up to [`CAPACITY`] segments in ascending order, none empty and no two overlapping.
///
/// Ends past `len` are `u64::MAX`, so that a search is one loop of known length without branches: about
/// a third faster than a binary search over 32 (EPYC, AVX2 not assumed).
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    ends: [u64; CAPACITY],
    starts: [u64; CAPACITY],
    dispatches: [u32; CAPACITY],
    len: usize,
}

impl Chunk {
    pub(super) const EMPTY: Chunk = Chunk {
        ends: [u64::MAX; CAPACITY],
        starts: [0; CAPACITY],
        dispatches: [0; CAPACITY],
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
        let (lines, _) = self.ends.as_chunks::<LINE>();
        let lasts: [u64; CAPACITY / LINE - 1] = core::array::from_fn(|line| lines[line][LINE - 1]);
        let line = count_up_to(&lasts, byte);
        line * LINE + count_up_to(&lines[line], byte)
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Segment> {
        (at < self.len).then(|| Segment {
            range: ByteRange::new(self.starts[at], self.ends[at]),
            dispatch: self.dispatches[at],
        })
    }

    /// The end of the last segment, 0 if there is none.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.len.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    #[inline]
    pub(super) fn set_dispatch(&mut self, at: usize, dispatch: u32) {
        self.dispatches[at] = dispatch;
    }

    /// Puts a segment behind the last one; the chunk must not be full.
    #[inline]
    pub(super) fn push(&mut self, segment: Segment) {
        let len = self.len;
        self.ends[len] = segment.range.end;
        self.starts[len] = segment.range.start;
        self.dispatches[len] = segment.dispatch;
        self.len = len + 1;
    }

    /// Puts a segment before the one at `at`; the chunk must not be full.
    #[inline]
    pub(super) fn insert(&mut self, at: usize, segment: Segment) {
        let len = self.len;
        self.ends.copy_within(at..len, at + 1);
        self.starts.copy_within(at..len, at + 1);
        self.dispatches.copy_within(at..len, at + 1);
        self.ends[at] = segment.range.end;
        self.starts[at] = segment.range.start;
        self.dispatches[at] = segment.dispatch;
        self.len = len + 1;
    }

    /// Takes out the segments `from..to`.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        let len = self.len;
        self.ends.copy_within(to..len, from);
        self.starts.copy_within(to..len, from);
        self.dispatches.copy_within(to..len, from);
        self.len = len - (to - from);
        self.ends[self.len..len].fill(u64::MAX);
    }

    /// Moves the upper half into `upper`, which must be empty.
    pub(super) fn split_into(&mut self, upper: &mut Chunk) {
        let half = self.len / 2;
        let moved = self.len - half;
        upper.ends[..moved].copy_from_slice(&self.ends[half..self.len]);
        upper.starts[..moved].copy_from_slice(&self.starts[half..self.len]);
        upper.dispatches[..moved].copy_from_slice(&self.dispatches[half..self.len]);
        upper.len = moved;
        self.ends[half..].fill(u64::MAX);
        self.len = half;
    }

    pub(super) fn clear(&mut self) {
        self.ends.fill(u64::MAX);
        self.len = 0;
    }
}

/// How many of a few ends are not after `byte`: without branches, and with comparisons that wait for nothing.
#[inline]
pub(super) fn count_up_to(ends: &[u64], byte: u64) -> usize {
    ends.iter().map(|&end| usize::from(end <= byte)).sum()
}

#[cfg(test)]
impl Chunk {
    /// Panics if the chunk is empty or its unused ends would be found by a search.
    pub(super) fn assert_sound(&self) {
        assert!((1..=CAPACITY).contains(&self.len));
        assert!(self.ends[self.len..].iter().all(|&end| end == u64::MAX));
    }
}
