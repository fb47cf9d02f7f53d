use std::sync::Arc;

use crate::access::Access;
use crate::memory::{Allocation, BufferView, DeviceUse};
use crate::pool::{Generation, Issue};

/// What a submission keeps alive until it completes: each allocation once, however often it is bound, and each
/// generation of a pool once, however many of its blocks are.
#[derive(Default)]
pub(crate) struct Kept {
    allocations: Vec<(Arc<Allocation>, DeviceUse)>,
    generations: Vec<Arc<Generation>>,
}

impl Kept {
    pub(crate) fn allocations(&self) -> impl Iterator<Item = (&Allocation, DeviceUse)> {
        let kept = self.allocations.iter();
        kept.map(|(allocation, used)| (&**allocation, *used))
    }
}

/// Gathers what is kept.
#[derive(Default)]
pub(crate) struct Retained {
    kept: Kept,
    /// Where an allocation stands among those kept, by its id; valid when the epoch is the current one.
    places: Vec<Place>,
    epoch: u32,
}

#[derive(Clone, Copy, Default)]
struct Place {
    epoch: u32,
    index: u32,
}

impl Retained {
    #[inline]
    pub(crate) fn include(&mut self, view: &BufferView, access: Access) {
        let place = self.places.get(view.allocation.id.index() as usize);
        let known = place.filter(|place| place.epoch == self.epoch);
        match known.and_then(|place| self.kept.allocations.get_mut(place.index as usize)) {
            Some((_, used)) => used.include(access),
            None => self.add(&view.allocation, access),
        }
        if let Some(Issue { generation, .. }) = &view.issue {
            self.include_generation(generation);
        }
    }

    /// Out of the way of what has none.
    #[inline(never)]
    fn include_generation(&mut self, generation: &Arc<Generation>) {
        let mut known = self.kept.generations.iter().rev();
        if !known.any(|known| Arc::ptr_eq(known, generation)) {
            self.kept.generations.push(generation.clone());
        }
    }

    #[inline(never)]
    fn add(&mut self, allocation: &Arc<Allocation>, access: Access) {
        let id = allocation.id.index() as usize;
        if self.places.len() <= id {
            let unset = Place {
                epoch: u32::MAX,
                index: 0,
            };
            self.places.resize(id + 1, unset);
        }
        self.places[id] = Place {
            epoch: self.epoch,
            index: self.kept.allocations.len() as u32,
        };
        let mut used = DeviceUse::default();
        used.include(access);
        self.kept.allocations.push((allocation.clone(), used));
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) fn into_kept(self) -> Kept {
        self.kept
    }

    pub(crate) fn clear(&mut self) {
        self.kept.allocations.clear();
        self.kept.generations.clear();
        // Epoch u32::MAX marks places that were never set.
        self.epoch = self.epoch.wrapping_add(1) % u32::MAX;
        if self.epoch == 0 {
            self.places.clear();
        }
    }
}
