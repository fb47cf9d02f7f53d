//! How a kernel uses the memory bound to one of its slots.

use std::fmt;

/// What a dispatch does to the bytes of one binding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Only loads.
    Read,
    /// Only stores; what was there before does not matter.
    Write,
    /// Loads and stores.
    ReadWrite,
}

impl Access {
    /// Whether bytes may be loaded.
    #[must_use]
    pub const fn reads(self) -> bool {
        !matches!(self, Access::Write)
    }

    /// Whether bytes may be stored.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(self, Access::Read)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::ReadWrite => "read-write",
        })
    }
}
