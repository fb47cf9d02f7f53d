//! Which allocations should stay where the device reaches them fastest.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::backend;
use crate::device::{Device, DeviceCore};
use crate::hazard::AllocationId;
use crate::memory::BufferView;

/// A set of allocations to keep resident. Changes are staged and take effect with the next submission, all in
/// one flush; an allocation that is freed leaves every set by itself.
///
/// On Metal this is an `MTLResidencySet`, on Vulkan it raises memory priority; on the CPU, whose memory is
/// always resident, it keeps accounts.
pub struct ResidencySet {
    core: Arc<DeviceCore>,
    number: u64,
}

/// The sets of a device, and what of them has been flushed.
#[derive(Default)]
pub(crate) struct Residency {
    staged: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sets: HashMap<u64, HashSet<AllocationId>>,
    next_set: u64,
    sizes: HashMap<AllocationId, u64>,
    resident: HashMap<AllocationId, u64>,
}

impl ResidencySet {
    /// Adds the allocation that `view` is part of; false if it is in the set already.
    pub fn add(&self, view: &BufferView) -> bool {
        let (id, size) = (view.allocation.id, view.allocation.size);
        self.core.residency.change(|state| {
            let set = state.sets.entry(self.number).or_default();
            set.insert(id) && state.sizes.insert(id, size).is_none_or(|_| true)
        })
    }

    /// Removes the allocation that `view` is part of; false if it is not in the set.
    pub fn remove(&self, view: &BufferView) -> bool {
        let id = view.allocation.id;
        self.core.residency.change(|state| {
            state
                .sets
                .get_mut(&self.number)
                .is_some_and(|set| set.remove(&id))
        })
    }

    /// Whether the allocation that `view` is part of is in the set.
    pub fn contains(&self, view: &BufferView) -> bool {
        let state = self.core.residency.state.lock();
        state
            .sets
            .get(&self.number)
            .is_some_and(|set| set.contains(&view.allocation.id))
    }

    /// Allocations in the set, staged changes included.
    pub fn len(&self) -> usize {
        self.core
            .residency
            .state
            .lock()
            .sets
            .get(&self.number)
            .map_or(0, HashSet::len)
    }

    /// Whether the set holds no allocation.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for ResidencySet {
    fn drop(&mut self) {
        let number = self.number;
        self.core.residency.change(|state| {
            state
                .sets
                .remove(&number)
                .is_some_and(|set| !set.is_empty())
        });
    }
}

impl fmt::Debug for ResidencySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResidencySet({} allocations)", self.len())
    }
}

impl Device {
    /// An empty residency set, attached to this device's queue until it is dropped.
    pub fn residency_set(&self) -> ResidencySet {
        let mut state = self.core.residency.state.lock();
        state.next_set += 1;
        let number = state.next_set;
        state.sets.insert(number, HashSet::new());
        ResidencySet {
            core: self.core.clone(),
            number,
        }
    }

    /// Bytes of all allocations that were resident at the last submission through residency sets.
    pub fn resident_bytes(&self) -> u64 {
        self.core.residency.state.lock().resident.values().sum()
    }
}

impl Residency {
    fn change(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        let changed = change(&mut self.state.lock());
        if changed {
            self.staged.store(true, Ordering::Release);
        }
        changed
    }

    /// Takes a freed allocation out of every set.
    pub(crate) fn forget(&self, id: AllocationId) {
        self.change(|state| {
            let mut known = state.sizes.remove(&id).is_some();
            for set in state.sets.values_mut() {
                known |= set.remove(&id);
            }
            known
        });
    }

    /// Applies staged changes; whether there were any.
    pub(crate) fn flush(&self, backend: &dyn backend::Device) -> bool {
        if !self.staged.swap(false, Ordering::Acquire) {
            return false;
        }
        let mut state = self.state.lock();
        let mut wanted = HashMap::new();
        for id in state.sets.values().flatten() {
            wanted.insert(*id, state.sizes.get(id).copied().unwrap_or(0));
        }
        let bytes_missing_in = |set: &HashMap<AllocationId, u64>,
                                other: &HashMap<AllocationId, u64>| {
            set.iter()
                .filter(|(id, _)| !other.contains_key(id))
                .map(|(_, size)| size)
                .sum()
        };
        let added = bytes_missing_in(&wanted, &state.resident);
        let removed = bytes_missing_in(&state.resident, &wanted);
        backend.residency_changed(added, removed);
        state.resident = wanted;
        true
    }
}
