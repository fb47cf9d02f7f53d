//! The synchronisation primitives of the submission queue, exchanged for loom's models in `cfg(loom)` builds.

#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use std::sync::PoisonError;

/// `core`'s cell behind the interface of loom's, which notices accesses that race.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Locks, whether or not another thread panicked inside: the guarded states are valid between any two
/// statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, likewise.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Runs a model under every interleaving with at most three preemptions, of which loom's authors find that they
/// show most errors: all interleavings of these models take minutes.
#[cfg(all(test, loom))]
pub(crate) fn model(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// What a thread does between two looks at an atomic that another thread will change.
pub(crate) struct Backoff {
    #[cfg(not(loom))]
    looks: u32,
}

/// Looks before the thread offers its core to others: about 5 us of pause instructions on Zen 4.
#[cfg(not(loom))]
const SPINS: u32 = 256;
/// Looks before the thread should sleep: the gap between two submissions of a decode loop fits in.
#[cfg(not(loom))]
const YIELDS: u32 = 512;

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff {
            #[cfg(not(loom))]
            looks: 0,
        }
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
