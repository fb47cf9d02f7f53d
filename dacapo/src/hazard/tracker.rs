//! What the dispatches since the last barrier touched.

use super::arena::Arena;
use super::interval_map::IntervalMap;
use super::{AllocationId, Hazard, HazardKind, RangeAccess};
use crate::{Access, ByteRange};

/// Remembers what dispatches touch since the last barrier and finds conflicts with it, byte by byte.
///
/// One tracker serves one encoder. The dispatch indices it is given must not decrease. Accesses of one
/// dispatch do not conflict with each other: check all of them, then record all of them.
///
/// ```
/// use dacapo::hazard::{Access, AllocationId, HazardKind, HazardTracker, RangeAccess};
/// use dacapo::ByteRange;
///
/// let bytes = |start, end, access| RangeAccess {
///     allocation: AllocationId::new(0),
///     range: ByteRange::new(start, end),
///     access,
/// };
/// let mut tracker = HazardTracker::new();
/// tracker.record(0, &[bytes(0, 64, Access::Write)]);
/// assert_eq!(tracker.check(&[bytes(64, 128, Access::Write)]), None);
///
/// let hazard = tracker.check(&[bytes(32, 96, Access::Read)]).unwrap();
/// assert_eq!(hazard.kind, HazardKind::ReadAfterWrite);
/// assert_eq!(hazard.overlap, ByteRange::new(32, 64));
///
/// tracker.barrier();
/// assert_eq!(tracker.check(&[bytes(32, 96, Access::Read)]), None);
/// ```
#[derive(Debug, Default)]
pub struct HazardTracker {
    /// By allocation index.
    allocations: Vec<Touched>,
    arena: Arena,
    /// How many barriers there were: what is stamped otherwise is forgotten.
    epoch: u64,
    /// What the latest dispatch touched, or some of it.
    last: Option<AllocationId>,
    unknown: Option<u32>,
}

/// What was touched of one allocation.
#[derive(Clone, Copy, Debug)]
struct Touched {
    epoch: u64,
    written: IntervalMap,
    /// Bytes that were read; those that the same access also wrote are in `written` only, where every
    /// conflict of theirs is found.
    read: IntervalMap,
}

impl Touched {
    const fn nothing(epoch: u64) -> Touched {
        Touched {
            epoch,
            written: IntervalMap::EMPTY,
            read: IntervalMap::EMPTY,
        }
    }
}

impl HazardTracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new() -> HazardTracker {
        HazardTracker::default()
    }

    /// A conflict of these accesses with what was recorded since the last barrier, if there is one.
    ///
    /// Of several conflicts it reports the first kind that occurs of unknown access, read after write,
    /// write after write and write after read, and of that kind one with the latest dispatch. Takes
    /// logarithmic time for an access without a conflict; one that has conflicts also looks at each
    /// recorded range that it overlaps.
    #[must_use]
    #[inline]
    pub fn check(&mut self, accesses: &[RangeAccess]) -> Option<Hazard> {
        if self.unknown.is_none() && !accesses.iter().any(|access| self.conflicts(access)) {
            return None;
        }
        self.explain(accesses)
    }

    /// A conflict of a dispatch that may touch everything: with anything that was recorded since the
    /// last barrier.
    #[must_use]
    pub fn check_unknown(&self) -> Option<Hazard> {
        let everything = ByteRange::new(0, u64::MAX);
        let (earlier, allocation, overlap) = match (self.unknown, self.last) {
            (Some(unknown), _) => (unknown, None, everything),
            (None, Some(allocation)) => {
                let touched = &self.allocations[allocation.index() as usize];
                let maps = [&touched.written, &touched.read];
                let found = maps.map(|map| map.latest(&self.arena, everything));
                let latest = found.into_iter().flatten().max_by_key(|it| it.dispatch)?;
                (latest.dispatch, Some(allocation), latest.range)
            }
            (None, None) => return None,
        };
        Some(Hazard {
            kind: HazardKind::Unknown,
            earlier,
            allocation,
            overlap,
        })
    }

    /// Adds the accesses of a dispatch. They may conflict with what is there.
    #[inline]
    pub fn record(&mut self, dispatch: u32, accesses: &[RangeAccess]) {
        for access in accesses {
            if access.range.is_empty() {
                continue;
            }
            let index = access.allocation.index() as usize;
            if index >= self.allocations.len() {
                self.grow(index);
            }
            let touched = &mut self.allocations[index];
            if touched.epoch != self.epoch {
                *touched = Touched::nothing(self.epoch);
            }
            let map = if access.access.writes() {
                &mut touched.written
            } else {
                &mut touched.read
            };
            map.assign(&mut self.arena, access.range, dispatch);
            self.last = Some(access.allocation);
        }
    }

    /// Adds a dispatch that may touch everything.
    pub fn record_unknown(&mut self, dispatch: u32) {
        self.unknown = Some(dispatch);
    }

    /// Forgets everything recorded so far, in constant time; memory is kept for what comes.
    pub fn barrier(&mut self) {
        self.epoch += 1;
        self.arena.reset();
        self.last = None;
        self.unknown = None;
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        self.allocations
            .resize(index + 1, Touched::nothing(self.epoch));
    }

    /// What was touched of an access's allocation since the last barrier.
    #[inline]
    fn touched(&self, access: &RangeAccess) -> Option<&Touched> {
        let touched = self.allocations.get(access.allocation.index() as usize)?;
        (touched.epoch == self.epoch).then_some(touched)
    }

    #[inline]
    fn conflicts(&mut self, access: &RangeAccess) -> bool {
        let touched = match self.allocations.get_mut(access.allocation.index() as usize) {
            Some(touched) if touched.epoch == self.epoch => touched,
            _ => return false,
        };
        touched.written.overlaps(&self.arena, access.range)
            || access.access.writes() && touched.read.overlaps(&self.arena, access.range)
    }

    #[cold]
    fn explain(&self, accesses: &[RangeAccess]) -> Option<Hazard> {
        if let Some(earlier) = self.unknown {
            let first = accesses.iter().find(|access| !access.range.is_empty())?;
            return Some(Hazard {
                kind: HazardKind::Unknown,
                earlier,
                allocation: Some(first.allocation),
                overlap: first.range,
            });
        }
        let kinds = [
            HazardKind::ReadAfterWrite,
            HazardKind::WriteAfterWrite,
            HazardKind::WriteAfterRead,
        ];
        (kinds.into_iter()).find_map(|kind| self.latest(kind, accesses))
    }

    /// Of the conflicts of this kind one with the latest dispatch.
    fn latest(&self, kind: HazardKind, accesses: &[RangeAccess]) -> Option<Hazard> {
        let mut latest: Option<Hazard> = None;
        for access in accesses {
            let Some(touched) = self.touched(access) else {
                continue;
            };
            let (earlier, map) = match kind {
                HazardKind::WriteAfterRead => (Access::Read, &touched.read),
                _ => (Access::Write, &touched.written),
            };
            if HazardKind::between(earlier, access.access) != Some(kind) {
                continue;
            }
            let Some(segment) = map.latest(&self.arena, access.range) else {
                continue;
            };
            if latest.is_none_or(|latest| latest.earlier <= segment.dispatch) {
                latest = Some(Hazard {
                    kind,
                    earlier: segment.dispatch,
                    allocation: Some(access.allocation),
                    overlap: segment.range,
                });
            }
        }
        latest
    }
}

#[cfg(test)]
impl HazardTracker {
    /// Panics unless every map that counts is well formed and uses chunks of its own.
    pub(super) fn assert_sound(&self) {
        let mut owned = std::collections::HashSet::new();
        for touched in &self.allocations {
            if touched.epoch == self.epoch {
                touched.written.assert_sound(&self.arena, &mut owned);
                touched.read.assert_sound(&self.arena, &mut owned);
            }
        }
        self.arena.assert_sound(&owned);
    }
}
