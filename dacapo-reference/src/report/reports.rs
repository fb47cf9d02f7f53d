use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Key, Report};

/// Where reports are collected, from several threads: each fault once, however often it happens.
#[derive(Debug)]
pub struct Reports {
    max: usize,
    noted: Mutex<Noted>,
    operations: AtomicU64,
}

#[derive(Debug, Default)]
struct Noted {
    /// Where in `kept` the report of a key is.
    places: HashMap<Key, usize>,
    kept: Vec<Report>,
    dropped: u64,
}

impl Reports {
    /// Room for this many different faults. Faults beyond that are only counted.
    pub fn new(max: usize) -> Reports {
        Reports {
            max,
            noted: Mutex::default(),
            operations: AtomicU64::new(0),
        }
    }

    /// How many operations have been looked at, of one invocation each, on a number or what is loaded or stored at once.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    pub(crate) fn count_operations(&self, count: u64) {
        self.operations.fetch_add(count, Ordering::Relaxed);
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// How many different faults are kept.
    pub fn len(&self) -> usize {
        self.lock().kept.len()
    }

    /// The faults that are kept, in the order in which they appeared.
    pub fn list(&self) -> Vec<Report> {
        self.lock().kept.clone()
    }

    /// How often something was wrong that none of the kept faults stands for, for want of room.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// How often anything was wrong.
    pub fn total(&self) -> u64 {
        let noted = self.lock();
        let counts = noted.kept.iter().map(|report| report.count);
        counts.fold(noted.dropped, u64::saturating_add)
    }

    /// The faults that are kept; from here on, all begins anew.
    pub fn take(&self) -> Vec<Report> {
        core::mem::take(&mut *self.lock()).kept
    }

    /// Counts a fault. The first one of its key is described by `make`, which must not note anything itself.
    pub(crate) fn note(&self, key: Key, make: impl FnOnce() -> Report) {
        let noted = &mut *self.lock();
        if let Some(&place) = noted.places.get(&key) {
            let count = &mut noted.kept[place].count;
            *count = count.saturating_add(1);
        } else if noted.kept.len() < self.max {
            let report = Report { count: 1, ..make() };
            noted.places.insert(key, noted.kept.len());
            noted.kept.push(report);
        } else {
            noted.dropped = noted.dropped.saturating_add(1);
        }
    }

    /// A panic leaves nothing half done: what can panic comes before what changes.
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Reports {
    /// Room for 100 faults.
    fn default() -> Reports {
        Reports::new(100)
    }
}
