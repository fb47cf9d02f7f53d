//! Who has which allocation number, and how much memory is out.

use core::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::hazard::AllocationId;
use crate::info::MemoryBudget;
use crate::memory::MemoryKind;

/// Hands out the smallest numbers that are free, so that tables indexed by them stay short.
#[derive(Default)]
pub(crate) struct AllocationIds {
    state: Mutex<Ids>,
}

#[derive(Default)]
struct Ids {
    free: Vec<AllocationId>,
    next: u32,
}

impl AllocationIds {
    pub(crate) fn acquire(&self) -> AllocationId {
        let mut ids = self.state.lock();
        ids.free.pop().unwrap_or_else(|| {
            let id = AllocationId::new(ids.next);
            ids.next += 1;
            id
        })
    }

    pub(crate) fn release(&self, id: AllocationId) {
        self.state.lock().free.push(id);
    }
}

/// Bytes that may be allocated, and are.
pub(crate) struct Budget {
    budget: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(budget: u64) -> Budget {
        Budget {
            budget,
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn take(&self, asked: u64, kind: MemoryKind) -> Result<()> {
        let grown = |used: u64| used.checked_add(asked).filter(|sum| *sum <= self.budget);
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
        taken.map(drop).map_err(|used| Error::OverBudget {
            asked,
            kind,
            used,
            budget: self.budget,
        })
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> MemoryBudget {
        MemoryBudget {
            budget: self.budget,
            used: self.used.load(Ordering::Relaxed),
        }
    }
}
