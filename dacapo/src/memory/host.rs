#![allow(
    unsafe_code,
    reason = "keeps a pointer to bytes beside the value that owns them"
)]

use core::any::Any;
use core::ptr::NonNull;
use std::sync::Arc;

/// Memory of the host for reading, and its owner, which is dropped with this.
pub(crate) struct HostBytes {
    start: NonNull<u8>,
    len: u64,
    /// Shared, though nobody else has it: moving a `Box` would claim the bytes inside it for itself alone.
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the bytes are only read, and the owner is `Send + Sync`.
unsafe impl Send for HostBytes {}
// SAFETY: as above.
unsafe impl Sync for HostBytes {}

impl HostBytes {
    /// Asks `owner` for its bytes, once: nothing makes a second answer equal the first. They stay where
    /// they are because a shared borrow of the owner, which ends with this, could still be using them.
    pub(crate) fn new<O: AsRef<[u8]> + Send + Sync + 'static>(owner: O) -> HostBytes {
        let owner = Arc::new(owner);
        let bytes = (*owner).as_ref();
        HostBytes {
            start: NonNull::from(bytes).cast(),
            len: bytes.len() as u64,
            _owner: owner,
        }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn get(&self) -> &[u8] {
        // SAFETY: the owner keeps the bytes, which nobody writes, as long as this lives.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}
