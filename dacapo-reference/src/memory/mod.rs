//! Memory under check.

use std::sync::Arc;

/// Memory of one allocation.
#[derive(Debug)]
pub struct Region {
    label: Arc<str>,
    len: u64,
}

impl Region {
    /// Zeroed memory that nobody has written; `None` when the system has no such memory.
    pub fn zeroed(label: &str, len: u64) -> Option<Region> {
        Some(Region {
            label: label.into(),
            len,
        })
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

    /// Writes bytes at this offset, which lie inside, from the host.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        let _ = (at, bytes);
    }

    /// Reads bytes at this offset, which lie inside, to the host.
    pub fn read(&self, at: u64, bytes: &mut [u8]) {
        let _ = (at, bytes);
    }
}
