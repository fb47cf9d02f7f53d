//! What the dispatches since the last barrier touched.

use core::cmp::Ordering;

use super::arena::Arena;
use super::interval_map::IntervalMap;
use super::{Hazard, HazardKind, RangeAccess};
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
    last: Option<(u32, RangeAccess)>,
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
        let (earlier, allocation, overlap) = match (self.unknown, self.last) {
            (Some(unknown), _) => (unknown, None, ByteRange::new(0, u64::MAX)),
            (None, Some((dispatch, access))) => (dispatch, Some(access.allocation), access.range),
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
        }
        if let Some(last) = accesses.iter().rfind(|access| !access.range.is_empty()) {
            self.last = Some((dispatch, *last));
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
            Some(touched) if touched.epoch == self.epoch && !access.range.is_empty() => touched,
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
        let mut reported: Option<Hazard> = None;
        for access in accesses.iter().filter(|access| !access.range.is_empty()) {
            let Some(touched) = self.touched(access) else {
                continue;
            };
            let maps = [
                (Access::Write, &touched.written),
                (Access::Read, &touched.read),
            ];
            for (earlier, map) in maps {
                let Some(kind) = HazardKind::between(earlier, access.access) else {
                    continue;
                };
                let order = reported.map(|reported| rank(reported.kind).cmp(&rank(kind)));
                if order == Some(Ordering::Less) {
                    continue;
                }
                let Some(segment) = map.latest(&self.arena, access.range) else {
                    continue;
                };
                let is_same_kind = order == Some(Ordering::Equal);
                if is_same_kind && reported.is_some_and(|it| it.earlier > segment.dispatch) {
                    continue;
                }
                reported = Some(Hazard {
                    kind,
                    earlier: segment.dispatch,
                    allocation: Some(access.allocation),
                    overlap: segment.range,
                });
            }
        }
        reported
    }
}

/// Which kind is reported where there are several: the one of the lowest rank.
fn rank(kind: HazardKind) -> u8 {
    match kind {
        HazardKind::Unknown => 0,
        HazardKind::ReadAfterWrite => 1,
        HazardKind::WriteAfterWrite => 2,
        HazardKind::WriteAfterRead => 3,
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
