//! The vocabulary of hazards: what was touched, and how two touches conflict.

use std::fmt;

use crate::{Access, ByteRange};

/// A dense small index that is unique among the live allocations of a device.
///
/// Views of one buffer, and pool memory that is handed out again, share an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AllocationId(pub(crate) u32);

impl AllocationId {
    /// The id with this index. A tracker keeps a table as long as the largest index it has seen.
    #[must_use]
    pub const fn new(index: u32) -> AllocationId {
        AllocationId(index)
    }

    /// The index.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

impl fmt::Display for AllocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "allocation {}", self.0)
    }
}

/// Bytes of one allocation that a dispatch touches, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RangeAccess {
    /// Which memory.
    pub allocation: AllocationId,
    /// Which bytes, counted from the start of the allocation. An empty range touches nothing.
    pub range: ByteRange,
    /// What happens to them.
    pub access: Access,
}

/// How a dispatch conflicts with an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HazardKind {
    /// It reads what the earlier one wrote.
    ReadAfterWrite,
    /// It writes what the earlier one read.
    WriteAfterRead,
    /// It writes what the earlier one wrote.
    WriteAfterWrite,
    /// What one of the two touches is not known, so it counts as everything.
    Unknown,
}

impl HazardKind {
    /// How an access conflicts with an earlier one to the same bytes, if it does.
    #[must_use]
    pub const fn between(earlier: Access, later: Access) -> Option<HazardKind> {
        match (earlier.writes(), later.reads(), later.writes()) {
            (true, true, _) => Some(HazardKind::ReadAfterWrite),
            (true, false, true) => Some(HazardKind::WriteAfterWrite),
            (false, _, true) => Some(HazardKind::WriteAfterRead),
            (_, _, false) => None,
        }
    }
}

impl fmt::Display for HazardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HazardKind::ReadAfterWrite => "read after write",
            HazardKind::WriteAfterRead => "write after read",
            HazardKind::WriteAfterWrite => "write after write",
            HazardKind::Unknown => "unknown access",
        })
    }
}

/// Why a dispatch may not run beside an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hazard {
    /// How the two conflict.
    pub kind: HazardKind,
    /// The earlier dispatch: its index in the encoder.
    pub earlier: u32,
    /// Where they meet, or `None` if both touch everything.
    pub allocation: Option<AllocationId>,
    /// Bytes that both touch; never empty. All of `0..u64::MAX` if both touch everything.
    pub overlap: ByteRange,
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with dispatch {}", self.kind, self.earlier)?;
        match self.allocation {
            Some(allocation) => write!(f, " in bytes {} of {allocation}", self.overlap),
            None => write!(f, ", both of which may touch any memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hazard_explains_itself() {
        let hazard = Hazard {
            kind: HazardKind::ReadAfterWrite,
            earlier: 7,
            allocation: Some(AllocationId(3)),
            overlap: ByteRange::new(256, 512),
        };
        assert_eq!(
            hazard.to_string(),
            "read after write with dispatch 7 in bytes 256..512 of allocation 3"
        );
    }
}
