//! A tracker that has seen a program once needs no more memory to see it again.

#![allow(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dacapo::ByteRange;
use dacapo::hazard::{Access, AllocationId, HazardTracker, RangeAccess};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down has no counter any more, and nobody to read it.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on; the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Several waves over 40 allocations, one of them with thousands of ranges, some of which overlap.
fn program(tracker: &mut HazardTracker) -> usize {
    let mut conflicts = 0;
    for wave in 0..4_u64 {
        for dispatch in 0..3_000_u64 {
            let start = dispatch * 7_919 % 60_000;
            let accesses = [
                RangeAccess {
                    allocation: AllocationId::new(0),
                    range: ByteRange::new(start, start + 8 + wave * 16),
                    access: if dispatch.is_multiple_of(3) {
                        Access::Write
                    } else {
                        Access::Read
                    },
                },
                RangeAccess {
                    allocation: AllocationId::new(1 + (dispatch % 40) as u32),
                    range: ByteRange::new(dispatch, dispatch + 64),
                    access: Access::ReadWrite,
                },
            ];
            conflicts += usize::from(tracker.check(&accesses).is_some());
            tracker.record(dispatch as u32, &accesses);
        }
        conflicts += usize::from(tracker.check_unknown().is_some());
        tracker.record_unknown(3_000);
        tracker.barrier();
    }
    conflicts
}

#[test]
fn a_program_seen_before_allocates_nothing() {
    let mut tracker = HazardTracker::new();
    let conflicts = program(&mut tracker);
    let before = ALLOCATIONS.get();
    assert!(before > 0, "the counter counts");
    for _ in 0..3 {
        assert_eq!(program(&mut tracker), conflicts);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
