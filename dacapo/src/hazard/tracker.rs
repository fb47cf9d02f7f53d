//! What the dispatches since the last barrier touched.

use super::{AllocationId, Hazard, HazardKind, RangeAccess};
use crate::ByteRange;

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
    recorded: Vec<(u32, RangeAccess)>,
    unknown: Option<u32>,
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
    /// write after write and write after read, and of that kind one with the latest dispatch.
    #[must_use]
    pub fn check(&self, accesses: &[RangeAccess]) -> Option<Hazard> {
        if let Some(earlier) = self.unknown {
            let first = accesses.iter().find(|access| !access.range.is_empty())?;
            return Some(Hazard {
                kind: HazardKind::Unknown,
                earlier,
                allocation: Some(first.allocation),
                overlap: first.range,
            });
        }
        let order = [
            HazardKind::ReadAfterWrite,
            HazardKind::WriteAfterWrite,
            HazardKind::WriteAfterRead,
        ];
        order
            .into_iter()
            .find_map(|kind| self.latest(kind, accesses))
    }

    /// A conflict of a dispatch that may touch everything: with anything that was recorded since the
    /// last barrier.
    #[must_use]
    pub fn check_unknown(&self) -> Option<Hazard> {
        let latest = self.recorded.last();
        let (earlier, allocation, overlap) = match (self.unknown, latest) {
            (Some(unknown), _) => (unknown, None, ByteRange::new(0, u64::MAX)),
            (None, Some((dispatch, access))) => (*dispatch, Some(access.allocation), access.range),
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
    pub fn record(&mut self, dispatch: u32, accesses: &[RangeAccess]) {
        let touched = accesses.iter().filter(|access| !access.range.is_empty());
        self.recorded
            .extend(touched.map(|&access| (dispatch, access)));
    }

    /// Adds a dispatch that may touch everything.
    pub fn record_unknown(&mut self, dispatch: u32) {
        self.unknown = Some(dispatch);
    }

    /// Forgets everything recorded so far, in constant time; memory is kept for what comes.
    pub fn barrier(&mut self) {
        self.recorded.clear();
        self.unknown = None;
    }

    fn latest(&self, kind: HazardKind, accesses: &[RangeAccess]) -> Option<Hazard> {
        self.recorded.iter().rev().find_map(|(dispatch, earlier)| {
            accesses.iter().find_map(|later| {
                let conflict = match kind {
                    HazardKind::ReadAfterWrite => later.access.reads() && earlier.access.writes(),
                    HazardKind::WriteAfterWrite => later.access.writes() && earlier.access.writes(),
                    HazardKind::WriteAfterRead => later.access.writes() && earlier.access.reads(),
                    HazardKind::Unknown => false,
                };
                let same: AllocationId = earlier.allocation;
                let overlap = earlier.range.intersection(&later.range)?;
                (conflict && same == later.allocation).then_some(Hazard {
                    kind,
                    earlier: *dispatch,
                    allocation: Some(same),
                    overlap,
                })
            })
        })
    }
}
