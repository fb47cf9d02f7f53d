//! A global allocator that counts the bytes in use, and the most there were. It counts every thread, so a file
//! that includes it holds one test.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]
#![allow(unreachable_pub, dead_code, reason = "each test uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with unchanged arguments. `realloc` stays the trait's own,
// which allocates, copies and frees through these.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract, and `block` came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes in use.
pub fn in_use() -> usize {
    NOW.load(Relaxed)
}

/// How many bytes more than at its start were in use at one time while `work` ran, and what it gave.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = in_use();
    PEAK.store(before, Relaxed);
    let result = work();
    (PEAK.load(Relaxed) - before, result)
}
