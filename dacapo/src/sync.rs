//! The synchronisation primitives of the submission queue, exchanged for loom's models in `cfg(loom)` builds.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};

use std::sync::PoisonError;

/// Locks, whether or not another thread panicked inside: the guarded states are valid between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, likewise.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// What a thread does between two looks at an atomic that another thread will change.
pub(crate) struct Backoff {
    looks: u32,
}

/// Looks before the thread offers its core to others: about 5 us of pause instructions on Zen 4.
const SPINS: u32 = 256;
/// Looks before the thread should sleep: the gap between two submissions of a decode loop fits in.
const YIELDS: u32 = 512;

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff { looks: 0 }
    }

    /// Pauses. False when waiting has lasted long enough for the thread to sleep.
    pub(crate) fn pause(&mut self) -> bool {
        #[cfg(loom)]
        {
            loom::thread::yield_now();
            false
        }
        #[cfg(not(loom))]
        {
            self.looks = self.looks.saturating_add(1);
            if self.looks < SPINS {
                core::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
            self.looks < YIELDS
        }
    }
}
