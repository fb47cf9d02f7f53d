//! The half-open byte range that views, hazards, graphs and copies share.

use std::fmt;

/// The bytes `start..end` of an allocation; `end` itself is not part of it.
///
/// Invariant: `start <= end`. An empty range (`start == end`) holds no byte, so it overlaps nothing,
/// and two ranges that merely touch do not overlap.
///
/// ```
/// use dacapo::ByteRange;
///
/// let head = ByteRange::new(0, 64);
/// let tail = ByteRange::new(64, 128);
/// assert!(!head.overlaps(&tail));
/// assert!(head.overlaps(&ByteRange::new(63, 65)));
/// assert_eq!(tail.sub(ByteRange::new(8, 16)), Some(ByteRange::new(72, 80)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
}

impl ByteRange {
    /// The range `start..end`. `start` must not be greater than `end`, which debug builds assert.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> ByteRange {
        debug_assert!(start <= end, "a byte range ends before it starts");
        ByteRange { start, end }
    }

    /// The range of `len` bytes from `start`, or `None` if its end does not fit a `u64`.
    #[must_use]
    pub const fn with_len(start: u64, len: u64) -> Option<ByteRange> {
        match start.checked_add(len) {
            Some(end) => Some(ByteRange { start, end }),
            None => None,
        }
    }

    /// How many bytes the range holds.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the range holds no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether at least one byte lies in both ranges.
    #[must_use]
    pub const fn overlaps(&self, other: &ByteRange) -> bool {
        self.intersection(other).is_some()
    }

    /// The bytes that lie in both ranges, or `None` if there are none.
    #[must_use]
    pub const fn intersection(&self, other: &ByteRange) -> Option<ByteRange> {
        let start = if self.start > other.start {
            self.start
        } else {
            other.start
        };
        let end = if self.end < other.end {
            self.end
        } else {
            other.end
        };
        if start < end {
            Some(ByteRange { start, end })
        } else {
            None
        }
    }

    /// Whether `inner` lies within this range, bounds included. An empty range is inside where its
    /// position is: `4..4` is in `0..4` but not in `0..3`.
    #[must_use]
    pub const fn contains(&self, inner: ByteRange) -> bool {
        self.start <= inner.start && inner.start <= inner.end && inner.end <= self.end
    }

    /// `inner`, counted from the start of this range, as a range counted from where this one is
    /// counted from; `None` if it does not fit inside this one.
    #[must_use]
    pub fn sub(&self, inner: ByteRange) -> Option<ByteRange> {
        let moved = ByteRange {
            start: self.start.checked_add(inner.start)?,
            end: self.start.checked_add(inner.end)?,
        };
        self.contains(moved).then_some(moved)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn r(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    #[test]
    fn touching_and_empty_ranges_do_not_overlap() {
        assert!(!r(0, 4).overlaps(&r(4, 8)));
        assert!(!r(4, 8).overlaps(&r(0, 4)));
        assert!(!r(2, 2).overlaps(&r(0, 4)));
        assert!(!r(0, 4).overlaps(&r(2, 2)));
        assert!(!r(2, 2).overlaps(&r(2, 2)));
        assert!(r(0, 4).overlaps(&r(3, 8)));
        assert!(r(0, 8).overlaps(&r(3, 4)));
    }

    #[test]
    fn every_small_pair_agrees_with_counting_bytes() {
        let ranges: Vec<ByteRange> = (0..7)
            .flat_map(|start| (start..7).map(move |end| r(start, end)))
            .collect();
        for a in &ranges {
            assert_eq!(a.len(), (a.start..a.end).count() as u64);
            assert_eq!(a.is_empty(), (a.start..a.end).count() == 0);
            for b in &ranges {
                let common: Vec<u64> = (a.start..a.end)
                    .filter(|byte| (b.start..b.end).contains(byte))
                    .collect();
                let expected = common
                    .first()
                    .map(|&first| r(first, first + common.len() as u64));
                assert_eq!(a.intersection(b), expected, "{a} and {b}");
                assert_eq!(a.overlaps(b), expected.is_some(), "{a} and {b}");
            }
        }
    }

    #[test]
    fn nothing_wraps_at_the_end_of_the_address_space() {
        assert_eq!(ByteRange::with_len(u64::MAX, 1), None);
        assert_eq!(
            ByteRange::with_len(u64::MAX - 1, 1),
            Some(r(u64::MAX - 1, u64::MAX))
        );
        assert_eq!(r(8, 16).sub(r(u64::MAX - 2, u64::MAX)), None);
    }

    #[test]
    fn sub_stays_inside() {
        assert_eq!(r(8, 16).sub(r(0, 8)), Some(r(8, 16)));
        assert_eq!(r(8, 16).sub(r(8, 8)), Some(r(16, 16)));
        assert_eq!(r(8, 16).sub(r(0, 9)), None);
        assert_eq!(r(8, 16).sub(r(9, 9)), None);
        assert_eq!(r(8, 16).sub(r(5, 4)), None, "a reversed range fits nowhere");
    }

    #[test]
    fn is_shown_as_rust_writes_it() {
        assert_eq!(r(16, 32).to_string(), "16..32");
    }
}
