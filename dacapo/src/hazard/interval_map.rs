//! Which dispatch touched each byte of an allocation last.

use super::arena::Arena;
use super::chunk::{Segment, count_up_to};
use crate::ByteRange;

/// A map from bytes to the dispatch that touched them last, as disjoint segments in ascending order.
///
/// Empty and single-segment maps live in the value itself. Larger ones are sorted chunks in the
/// tracker's arena under a directory of their ends: a search is a binary search of the directory and
/// one pass over a chunk, an insertion moves at most a chunk, and only a split (once in 16 insertions
/// or fewer) moves the directory, 12 bytes a chunk.
///
/// Assigning a range replaces what it covers, so the segments never outnumber the assignments by more
/// than two to one, and every segment that is taken out was put in once.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntervalMap {
    /// From the first segment's start to the last one's end; reversed (and so missed by every range)
    /// while the map is empty.
    start: u64,
    end: u64,
    /// The dispatch of the only segment, if there is no directory.
    dispatch: u32,
    /// The directory in the arena, or [`INLINE`].
    directory: u32,
    /// What the last question found, if nothing was assigned since: the assignment that follows it is mostly to the
    /// same place. It is believed only where it is right.
    hint: Place,
}

const INLINE: u32 = u32::MAX;

/// Chunks among which counting is faster than a binary search.
const FEW: usize = 16;

/// A place in a map: the chunk by its place in the directory, and the segment in the chunk.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: usize,
    at: usize,
}

impl Place {
    /// That of no segment in any map.
    const NOWHERE: Place = Place {
        chunk: usize::MAX,
        at: 0,
    };
}

impl IntervalMap {
    pub(super) const EMPTY: IntervalMap = IntervalMap {
        start: u64::MAX,
        end: 0,
        dispatch: 0,
        directory: INLINE,
        hint: Place::NOWHERE,
    };

    /// Whether any byte of a range is in the map.
    #[inline]
    pub(super) fn overlaps(&mut self, arena: &Arena, range: ByteRange) -> bool {
        range.end > self.start && range.start < self.end && self.overlaps_one(arena, range)
    }

    /// Whether a segment overlaps a range between the first and the last of them.
    fn overlaps_one(&mut self, arena: &Arena, range: ByteRange) -> bool {
        if self.directory == INLINE || range.is_empty() {
            return !range.is_empty();
        }
        let place = self.find(arena, range.start);
        self.hint = place;
        let found = self.get(arena, place);
        found.is_some_and(|found| found.range.start < range.end)
    }

    /// Of the segments that share bytes with a non-empty range, one of the latest dispatch, cut to those
    /// bytes. Takes time for every such segment.
    pub(super) fn latest(&self, arena: &Arena, range: ByteRange) -> Option<Segment> {
        if self.directory == INLINE {
            return self.only().and_then(|segment| cut(segment, range));
        }
        let mut latest: Option<Segment> = None;
        let mut place = self.find(arena, range.start);
        while let Some(segment) = self.get(arena, place).and_then(|found| cut(found, range)) {
            if latest.is_none_or(|best| best.dispatch < segment.dispatch) {
                latest = Some(segment);
            }
            place = self.next(arena, place);
        }
        latest
    }

    /// Makes `dispatch` the last to have touched a non-empty range.
    #[inline]
    pub(super) fn assign(&mut self, arena: &mut Arena, range: ByteRange, dispatch: u32) {
        if range.start <= self.start && self.end <= range.end && self.directory == INLINE {
            (self.start, self.end) = (range.start, range.end);
            self.dispatch = dispatch;
            return;
        }
        self.assign_among(arena, Segment { range, dispatch });
    }

    /// Puts in a segment that is not the only one from now on.
    #[inline(never)]
    fn assign_among(&mut self, arena: &mut Arena, segment: Segment) {
        let range = segment.range;
        if self.directory == INLINE {
            self.spill(arena);
        }
        if range.start >= self.end {
            self.append(arena, segment);
            self.end = range.end;
            return;
        }
        let place = self.find_again(arena, range.start);
        let chunk = arena.directory(self.directory).chunks[place.chunk];
        let chunk = arena.chunk_mut(chunk);
        match chunk.get(place.at) {
            Some(found) if found.range == range => {
                chunk.set_dispatch(place.at, segment.dispatch);
                return;
            }
            Some(found) if found.range.start < range.end => self.replace(arena, place, segment),
            _ => self.insert_at(arena, place, segment),
        }
        self.start = self.start.min(range.start);
        self.end = self.end.max(range.end);
    }

    fn only(&self) -> Option<Segment> {
        (self.start < self.end).then(|| Segment {
            range: ByteRange::new(self.start, self.end),
            dispatch: self.dispatch,
        })
    }

    /// Moves the only segment into a chunk.
    #[cold]
    fn spill(&mut self, arena: &mut Arena) {
        let only = self.only();
        self.directory = arena.new_directory();
        if let Some(segment) = only {
            self.insert(arena, segment);
        }
    }

    /// The place of the first segment that ends after `byte`, or the place after the last segment.
    #[inline]
    fn find(&self, arena: &Arena, byte: u64) -> Place {
        let directory = arena.directory(self.directory);
        let ends = &directory.ends;
        let chunk = match ends.len() {
            0..=FEW => count_up_to(ends, byte),
            _ => ends.partition_point(|&end| end <= byte),
        };
        let at = match directory.chunks.get(chunk) {
            Some(&found) => arena.chunk(found).position(byte),
            None => 0,
        };
        Place { chunk, at }
    }

    /// As [`find`](Self::find), but looks at the hint first, which is used up.
    #[inline]
    fn find_again(&mut self, arena: &Arena, byte: u64) -> Place {
        let hint = core::mem::replace(&mut self.hint, Place::NOWHERE);
        match self.is_place_of(arena, hint, byte) {
            true => hint,
            false => self.find(arena, byte),
        }
    }

    /// Whether a place is that of the first segment that ends after `byte`.
    fn is_place_of(&self, arena: &Arena, place: Place, byte: u64) -> bool {
        let Place { chunk, at } = place;
        let before = match (chunk.checked_sub(1), at.checked_sub(1)) {
            (_, Some(at)) => self
                .get(arena, Place { chunk, at })
                .map(|found| found.range.end),
            (Some(chunk), None) => arena.directory(self.directory).ends.get(chunk).copied(),
            (None, None) => Some(0),
        };
        let found = self.get(arena, place);
        before.is_some_and(|end| end <= byte) && found.is_some_and(|found| byte < found.range.end)
    }

    #[inline]
    fn get(&self, arena: &Arena, place: Place) -> Option<Segment> {
        let chunk = *arena.directory(self.directory).chunks.get(place.chunk)?;
        arena.chunk(chunk).get(place.at)
    }

    fn next(&self, arena: &Arena, place: Place) -> Place {
        let chunk = arena.directory(self.directory).chunks[place.chunk];
        if place.at + 1 < arena.chunk(chunk).len() {
            return Place {
                at: place.at + 1,
                ..place
            };
        }
        Place {
            chunk: place.chunk + 1,
            at: 0,
        }
    }

    /// Adds a segment that overlaps none.
    fn insert(&self, arena: &mut Arena, segment: Segment) {
        let place = self.find(arena, segment.range.start);
        self.insert_at(arena, place, segment);
    }

    /// Adds a segment before the one at `place`.
    #[inline]
    fn insert_at(&self, arena: &mut Arena, place: Place, segment: Segment) {
        let directory = arena.directory(self.directory);
        let Some(&chunk) = directory.chunks.get(place.chunk) else {
            return self.append(arena, segment);
        };
        if arena.chunk(chunk).is_full() {
            self.split(arena, place.chunk);
            return self.insert(arena, segment);
        }
        // The segment after it stays, so the chunk's end does too.
        arena.chunk_mut(chunk).insert(place.at, segment);
    }

    /// Adds a segment after the last one. Full chunks stay full, so that ranges that come in ascending
    /// order use no more memory than they need.
    fn append(&self, arena: &mut Arena, segment: Segment) {
        let last = arena.directory(self.directory).chunks.last().copied();
        let chunk = match last {
            Some(chunk) if !arena.chunk(chunk).is_full() => chunk,
            _ => {
                let chunk = arena.new_chunk();
                let directory = arena.directory_mut(self.directory);
                directory.chunks.push(chunk);
                directory.ends.push(0);
                chunk
            }
        };
        arena.chunk_mut(chunk).push(segment);
        if let Some(end) = arena.directory_mut(self.directory).ends.last_mut() {
            *end = segment.range.end;
        }
    }

    #[cold]
    fn split(&self, arena: &mut Arena, at: usize) {
        let lower = arena.directory(self.directory).chunks[at];
        let upper = arena.split_chunk(lower);
        let lower_end = arena.chunk(lower).end();
        let directory = arena.directory_mut(self.directory);
        directory.ends.insert(at, lower_end);
        directory.chunks.insert(at + 1, upper);
    }

    /// Puts in a segment that overlaps others, of which the first is at `place`.
    #[cold]
    fn replace(&self, arena: &mut Arena, place: Place, segment: Segment) {
        let range = segment.range;
        let (mut before, mut after) = (None, None);
        let mut end = place;
        while let Some(found) = self.get(arena, end)
            && found.range.start < range.end
        {
            if found.range.start < range.start {
                before = Some(Segment {
                    range: ByteRange::new(found.range.start, range.start),
                    ..found
                });
            }
            if found.range.end > range.end {
                after = Some(Segment {
                    range: ByteRange::new(range.end, found.range.end),
                    ..found
                });
            }
            end = self.next(arena, end);
        }
        self.remove(arena, place, end);
        for piece in [before, Some(segment), after].into_iter().flatten() {
            self.insert(arena, piece);
        }
    }

    /// Takes out the segments from `from` up to, not including, `to`.
    fn remove(&self, arena: &mut Arena, from: Place, to: Place) {
        // From the last chunk to the first, so that places in the directory stay right.
        let last = if to.at > 0 {
            to.chunk
        } else {
            to.chunk.saturating_sub(1)
        };
        for at in (from.chunk..=last).rev() {
            let chunk = arena.directory(self.directory).chunks[at];
            let first = if at == from.chunk { from.at } else { 0 };
            let len = arena.chunk(chunk).len();
            let end = if at == to.chunk { to.at } else { len };
            arena.chunk_mut(chunk).remove(first, end);
            let chunk_end = arena.chunk(chunk).end();
            let directory = arena.directory_mut(self.directory);
            directory.ends[at] = chunk_end;
        }
        let emptied = |arena: &Arena, at: usize| {
            let chunk = arena.directory(self.directory).chunks[at];
            arena.chunk(chunk).len() == 0
        };
        let mut first = from.chunk;
        if !emptied(arena, first) {
            first += 1;
        }
        let mut end = last + 1;
        if end > first && !emptied(arena, end - 1) {
            end -= 1;
        }
        for at in first..end {
            let chunk = arena.directory(self.directory).chunks[at];
            arena.free_chunk(chunk);
        }
        let directory = arena.directory_mut(self.directory);
        directory.chunks.drain(first..end);
        directory.ends.drain(first..end);
    }
}

fn cut(segment: Segment, range: ByteRange) -> Option<Segment> {
    let range = segment.range.intersection(&range)?;
    Some(Segment { range, ..segment })
}

#[cfg(test)]
impl IntervalMap {
    /// Panics unless the segments ascend without overlap, the directory and bounds tell the truth, no
    /// chunk is empty, and none is in `owned`, to which this map's are added.
    pub(super) fn assert_sound(&self, arena: &Arena, owned: &mut std::collections::HashSet<u32>) {
        if self.directory == INLINE {
            return;
        }
        let directory = arena.directory(self.directory);
        assert_eq!(directory.ends.len(), directory.chunks.len());
        let mut all = Vec::new();
        for (&chunk, &end) in directory.chunks.iter().zip(&directory.ends) {
            assert!(owned.insert(chunk), "chunk {chunk} has two owners");
            let chunk = arena.chunk(chunk);
            chunk.assert_sound();
            assert_eq!(chunk.end(), end);
            all.extend((0..chunk.len()).filter_map(|at| chunk.get(at)));
        }
        assert!(
            all.iter()
                .all(|segment| segment.range.start < segment.range.end)
        );
        assert!(
            all.windows(2)
                .all(|pair| pair[0].range.end <= pair[1].range.start)
        );
        assert_eq!(
            all.first().map(|segment| segment.range.start),
            Some(self.start)
        );
        assert_eq!(all.last().map(|segment| segment.range.end), Some(self.end));
    }
}
