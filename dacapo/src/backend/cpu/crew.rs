//! Worker threads that share the iterations of a loop.
#![allow(
    unsafe_code,
    reason = "lends a closure on the caller's stack to the workers for the length of one call"
)]

use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::panics::{self, Payload};
use crate::sync::{
    Arc, AtomicBool, AtomicU32, AtomicU64, Backoff, Condvar, Mutex, UnsafeCell, lock, wait,
};

/// The part of a loop that one worker runs: iterations, and the number of the worker.
type Body<'a> = dyn Fn(Range<u32>, usize) + Sync + 'a;

/// The side of the crew that hands out loops. Worker 0 is the thread that calls [`Crew::run`].
pub(crate) struct Crew {
    shared: Arc<Shared>,
    workers: u32,
    epoch: u32,
}

/// One loop is handed out at a time. `ticket` holds its number (high half) and how many iterations nobody has
/// taken yet (low half): taking some is one compare-exchange, which fails when the loop is another one by
/// now.
struct Shared {
    ticket: AtomicU64,
    finished: AtomicU32,
    current: UnsafeCell<Loop>,
    panic: Mutex<Option<Payload>>,
    sleepers: AtomicU32,
    sleep: Mutex<()>,
    wake: Condvar,
    closed: AtomicBool,
    workers: u32,
}

#[derive(Clone, Copy)]
struct Loop {
    body: Option<&'static Body<'static>>,
    iterations: u32,
}

// SAFETY: `current` is written by `Crew::run` only while every iteration of the loop before has finished and
// none of the new one can be taken, and read only by workers that have taken an iteration and not finished
// it.
unsafe impl Sync for Shared {}
// SAFETY: as above; everything else inside is `Send`.
unsafe impl Send for Shared {}

/// What a worker thread runs until the crew is dropped.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    number: usize,
}

impl Crew {
    /// A crew of `workers`, and what its other `workers - 1` threads must run.
    pub(crate) fn new(workers: usize) -> (Crew, Vec<Worker>) {
        let shared = Arc::new(Shared {
            ticket: AtomicU64::new(0),
            finished: AtomicU32::new(0),
            current: UnsafeCell::new(Loop {
                body: None,
                iterations: 0,
            }),
            panic: Mutex::new(None),
            sleepers: AtomicU32::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
            workers: workers as u32,
        });
        let others = (1..workers)
            .map(|number| Worker {
                shared: shared.clone(),
                number,
            })
            .collect();
        (
            Crew {
                shared,
                workers: workers as u32,
                epoch: 0,
            },
            others,
        )
    }

    /// How many workers there are, the caller's thread included.
    pub(crate) fn workers(&self) -> usize {
        self.workers as usize
    }

    /// Runs iterations `0..iterations`, in any order and on all workers, and returns when all have finished.
    /// If some panicked, the others still ran or were skipped, and the first panic is returned.
    pub(crate) fn run(&mut self, iterations: u32, body: &Body<'_>) -> Result<(), Payload> {
        if iterations <= 1 || self.workers == 1 {
            return catch_unwind(AssertUnwindSafe(|| body(0..iterations, 0)));
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. Workers use the reference between taking an iteration and
        // counting it as finished, and this function does not return before all are counted.
        let body = unsafe { core::mem::transmute::<&Body<'_>, &'static Body<'static>>(body) };
        let next = Loop {
            body: Some(body),
            iterations,
        };
        // SAFETY: the loop before has finished and no iteration is left to take, so no worker reads
        // `current`.
        shared
            .current
            .with_mut(|current| unsafe { *current = next });
        shared.finished.store(0, Ordering::Relaxed);
        self.epoch = self.epoch.wrapping_add(1);
        shared
            .ticket
            .store(ticket(self.epoch, iterations), Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            drop(lock(&shared.sleep));
            shared.wake.notify_all();
        }
        while shared.work(0) {}
        let mut backoff = Backoff::new();
        while shared.finished.load(Ordering::Acquire) != iterations {
            backoff.pause();
        }
        match lock(&shared.panic).take() {
            None => Ok(()),
            Some(panic) => Err(panic),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        drop(lock(&self.shared.sleep));
        self.shared.wake.notify_all();
    }
}

impl Worker {
    /// Works until the crew is dropped.
    pub(crate) fn run(self) {
        let shared = &*self.shared;
        let mut backoff = Backoff::new();
        loop {
            if shared.work(self.number) {
                backoff = Backoff::new();
            } else if shared.closed.load(Ordering::SeqCst) {
                return;
            } else if !backoff.pause() {
                shared.sleep();
                backoff = Backoff::new();
            }
        }
    }
}

impl Shared {
    /// Takes and runs some iterations; false if there are none to take.
    fn work(&self, worker: usize) -> bool {
        let seen = self.ticket.load(Ordering::Acquire);
        let left = seen as u32;
        if left == 0 {
            return false;
        }
        // Large bites first, single iterations at the end, so that all workers finish together.
        let taken = (left / (4 * self.workers)).max(1);
        if self
            .ticket
            .compare_exchange(
                seen,
                seen - u64::from(taken),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_err()
        {
            return true;
        }
        // SAFETY: this worker has taken iterations of the loop in `current` and has not counted them as
        // finished, so `Crew::run` is waiting for it and does not write.
        let Loop { body, iterations } = self.current.with(|current| unsafe { *current });
        let first = iterations - left;
        if let Some(body) = body
            && let Err(panic) =
                catch_unwind(AssertUnwindSafe(|| body(first..first + taken, worker)))
        {
            let mut first = lock(&self.panic);
            match &*first {
                None => *first = Some(panic),
                Some(_) => panics::discard(panic),
            }
        }
        self.finished.fetch_add(taken, Ordering::Release);
        true
    }

    fn sleep(&self) {
        let mut guard = lock(&self.sleep);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.ticket.load(Ordering::SeqCst) as u32 == 0 && !self.closed.load(Ordering::SeqCst)
        {
            guard = wait(&self.wake, guard);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

fn ticket(epoch: u32, left: u32) -> u64 {
    u64::from(epoch) << 32 | u64::from(left)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn with_crew(workers: usize, test: impl FnOnce(&mut Crew)) {
        let (mut crew, others) = Crew::new(workers);
        std::thread::scope(|scope| {
            for worker in others {
                scope.spawn(move || worker.run());
            }
            test(&mut crew);
            drop(crew);
        });
    }

    #[test]
    fn every_iteration_runs_once() {
        for workers in [1, 2, 5] {
            with_crew(workers, |crew| {
                for iterations in [0, 1, 2, 3, 7, 64, 1000] {
                    let counts: Vec<AtomicUsize> =
                        (0..iterations).map(|_| AtomicUsize::new(0)).collect();
                    crew.run(iterations, &|range, worker| {
                        assert!(worker < workers);
                        for at in range {
                            counts[at as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    })
                    .unwrap();
                    assert!(
                        counts
                            .iter()
                            .all(|count| count.load(Ordering::Relaxed) == 1)
                    );
                }
            });
        }
    }

    #[test]
    fn a_panic_is_returned_and_the_crew_goes_on() {
        with_crew(3, |crew| {
            for _ in 0..50 {
                let panic = crew
                    .run(100, &|range, _| assert!(!range.contains(&42), "at 42"))
                    .unwrap_err();
                assert_eq!(panic.downcast_ref::<&str>(), Some(&"at 42"));
                crew.run(100, &|_, _| {}).unwrap();
            }
        });
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    #[test]
    fn loops_finish_exactly_once_under_every_interleaving() {
        crate::sync::model(|| {
            let (mut crew, others) = Crew::new(2);
            let threads: Vec<_> = others
                .into_iter()
                .map(|worker| loom::thread::spawn(move || worker.run()))
                .collect();
            for _ in 0..2 {
                let sum = AtomicU32::new(0);
                crew.run(2, &|range, _| {
                    sum.fetch_add(range.map(|at| at + 1).sum(), Ordering::Relaxed);
                })
                .unwrap();
                assert_eq!(sum.load(Ordering::Relaxed), 3);
            }
            drop(crew);
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
    }
}
