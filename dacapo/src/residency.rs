//! Which allocations should stay where the device reaches them fastest.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::device::{Device, DeviceCore};
use crate::error::{Error, Result};
use crate::hazard::AllocationId;
use crate::memory::{Allocation, BufferView};

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
    members: HashMap<AllocationId, Weak<Allocation>>,
    /// Those that were resident at the last flush, and their sizes.
    resident: HashMap<AllocationId, u64>,
}

impl ResidencySet {
    /// Adds the allocation that `view` is part of; false if it is in the set already.
    ///
    /// # Errors
    /// [`Error::ForeignDevice`] for a buffer of another device.
    pub fn add(&self, view: &BufferView) -> Result<bool> {
        if !self.is_own(view) {
            return Err(Error::ForeignDevice {
                what: format!("{view:?}").into(),
                device: self.core.name().into(),
            });
        }
        let id = view.allocation.id;
        let member = Arc::downgrade(&view.allocation);
        Ok(self.core.residency.change(|state| {
            state.members.insert(id, member);
            let set = state.sets.entry(self.number).or_default();
            set.insert(id)
        }))
    }

    /// Removes the allocation that `view` is part of; false if it is not in the set.
    pub fn remove(&self, view: &BufferView) -> bool {
        let id = view.allocation.id;
        self.is_own(view)
            && self.core.residency.change(|state| {
                state
                    .sets
                    .get_mut(&self.number)
                    .is_some_and(|set| set.remove(&id))
            })
    }

    /// Whether the allocation that `view` is part of is in the set.
    pub fn contains(&self, view: &BufferView) -> bool {
        if !self.is_own(view) {
            return false;
        }
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

    fn is_own(&self, view: &BufferView) -> bool {
        Arc::ptr_eq(&view.allocation.device, &self.core)
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
            let mut known = state.members.remove(&id).is_some();
            for set in state.sets.values_mut() {
                known |= set.remove(&id);
            }
            known
        });
    }

    /// Applies staged changes; whether there were any.
    pub(crate) fn flush(&self) -> bool {
        if !self.staged.swap(false, Ordering::Acquire) {
            return false;
        }
        let mut state = self.state.lock();
        // Dropped after the lock: the last handle of an allocation takes it.
        let mut held = Vec::new();
        let mut wanted = HashMap::new();
        for id in state.sets.values().flatten() {
            if let Some(allocation) = state.members.get(id).and_then(Weak::upgrade) {
                wanted.insert(*id, allocation.size);
                if !state.resident.contains_key(id) {
                    allocation.memory.set_resident(true);
                }
                held.push(allocation);
            }
        }
        for id in state.resident.keys().filter(|id| !wanted.contains_key(id)) {
            if let Some(allocation) = state.members.get(id).and_then(Weak::upgrade) {
                allocation.memory.set_resident(false);
                held.push(allocation);
            }
        }
        state.resident = wanted;
        drop(state);
        true
    }
}
