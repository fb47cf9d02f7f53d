//! Which submissions of a queue have completed.

use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use smallvec::SmallVec;

use crate::panics;
use crate::sync::{AtomicU64, Condvar, Mutex, lock, wait};

/// Submissions of a queue carry numbers from 1 upwards and complete in that order, so one number tells all.
pub(crate) struct Timeline {
    completed: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wakers: Vec<Registered>,
    last_ticket: u64,
}

struct Registered {
    ticket: Ticket,
    number: u64,
    waker: Waker,
}

/// Names a registered waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Timeline {
    pub(crate) fn new() -> Timeline {
        Timeline {
            completed: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn is_complete(&self, number: u64) -> bool {
        self.completed.load(Ordering::Acquire) >= number
    }

    /// Blocks until submission `number` has completed, or until the deadline: then false.
    pub(crate) fn wait(&self, number: u64, deadline: Option<Instant>) -> bool {
        if self.is_complete(number) {
            return true;
        }
        let mut state = lock(&self.state);
        while !self.is_complete(number) {
            match deadline {
                None => state = wait(&self.changed, state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    state = self
                        .changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(|e| e.into_inner())
                        .0;
                }
            }
        }
        true
    }

    /// Marks submission `number`, the one after the last completed, as done and wakes those who wait for it.
    pub(crate) fn complete(&self, number: u64) {
        let mut state = lock(&self.state);
        self.completed.store(number, Ordering::Release);
        let ready = state.take(|registered| registered.number <= number);
        drop(state);
        self.changed.notify_all();
        // Wakers are code of the caller's: they may panic, and come back here.
        for registered in ready {
            panics::contain(|| registered.waker.wake());
        }
    }

    /// Registers a waker for submission `number`, in place of the one that `ticket` names; `None` when the
    /// submission has completed already.
    pub(crate) fn register(
        &self,
        number: u64,
        ticket: Option<Ticket>,
        waker: &Waker,
    ) -> Option<Ticket> {
        let waker = waker.clone();
        let mut state = lock(&self.state);
        if self.is_complete(number) {
            return None;
        }
        let mut known = state.wakers.iter_mut();
        let known = ticket.and_then(|ticket| known.find(|known| known.ticket == ticket));
        // Wakers are cloned and dropped outside the lock: both are code of the caller's.
        let (ticket, _old) = match known {
            Some(known) => (
                known.ticket,
                Some(core::mem::replace(&mut known.waker, waker)),
            ),
            None => {
                state.last_ticket += 1;
                let ticket = Ticket(state.last_ticket);
                state.wakers.push(Registered {
                    ticket,
                    number,
                    waker,
                });
                (ticket, None)
            }
        };
        drop(state);
        Some(ticket)
    }

    /// Forgets a waker that nobody needs to wake any more.
    pub(crate) fn unregister(&self, ticket: Ticket) {
        let mut state = lock(&self.state);
        let gone = state.take(|registered| registered.ticket == ticket);
        drop(state);
        drop(gone);
    }
}

impl State {
    fn take(&mut self, chosen: impl Fn(&Registered) -> bool) -> SmallVec<[Registered; 4]> {
        let mut taken = SmallVec::new();
        let mut at = 0;
        while at < self.wakers.len() {
            match chosen(&self.wakers[at]) {
                true => taken.push(self.wakers.swap_remove(at)),
                false => at += 1,
            }
        }
        taken
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::sync::Arc;

    /// Counts in an atomic that loom does not see: it only tells whether a model has woken somebody.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: StdArc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_waker_is_woken_exactly_if_it_was_registered() {
        crate::sync::model(|| {
            let timeline = Arc::new(Timeline::new());
            let completing = {
                let timeline = timeline.clone();
                loom::thread::spawn(move || timeline.complete(1))
            };
            let counts = [StdArc::new(Count::default()), StdArc::new(Count::default())];
            let [first, second] = counts.each_ref().map(|count| Waker::from(count.clone()));
            let ticket = timeline.register(1, None, &first);
            // A second poll, with another waker.
            let again = ticket.and_then(|_| timeline.register(1, ticket, &second));
            completing.join().unwrap();
            assert!(timeline.is_complete(1));
            assert_eq!(timeline.register(1, None, &first), None);
            let woken = counts.map(|count| count.0.load(Ordering::SeqCst));
            let expected = match (ticket, again) {
                (None, _) => [0, 0],
                (Some(_), None) => [1, 0],
                (Some(_), Some(_)) => [0, 1],
            };
            assert_eq!(woken, expected);
        });
    }

    #[test]
    fn an_unregistered_waker_is_woken_before_or_never() {
        crate::sync::model(|| {
            let timeline = Arc::new(Timeline::new());
            let count = StdArc::new(Count::default());
            let ticket = timeline.register(1, None, &Waker::from(count.clone()));
            let completing = {
                let timeline = timeline.clone();
                loom::thread::spawn(move || timeline.complete(1))
            };
            timeline.unregister(ticket.expect("nothing is complete"));
            completing.join().unwrap();
            assert!(count.0.load(Ordering::SeqCst) <= 1);
            assert_eq!(StdArc::strong_count(&count), 1, "the waker is gone");
        });
    }

    #[test]
    fn waits_for_one_of_several_submissions_end() {
        crate::sync::model(|| {
            let timeline = Arc::new(Timeline::new());
            let waiters: Vec<_> = [1, 2]
                .map(|number| {
                    let timeline = timeline.clone();
                    loom::thread::spawn(move || {
                        assert!(timeline.wait(number, None));
                        assert!(timeline.is_complete(number));
                    })
                })
                .into();
            timeline.complete(1);
            timeline.complete(2);
            waiters
                .into_iter()
                .for_each(|waiter| waiter.join().unwrap());
        });
    }
}
