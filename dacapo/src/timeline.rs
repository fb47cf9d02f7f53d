//! Which submissions of a queue have completed, and how.

use std::collections::VecDeque;
use std::sync::Arc as StdArc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use crate::error::SubmissionFailure;
use crate::sync::{AtomicU64, Condvar, Mutex, lock, wait};

/// Failures kept for host reads of what the submission should have written. Handles keep their own.
const FAILURES_KEPT: usize = 64;

/// Submissions of a queue carry numbers from 1 upwards and complete in that order, so one number tells all.
pub(crate) struct Timeline {
    completed: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wakers: Vec<(u64, Waker)>,
    failures: VecDeque<StdArc<SubmissionFailure>>,
}

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
    pub(crate) fn complete(&self, number: u64, failure: Option<StdArc<SubmissionFailure>>) {
        let mut state = lock(&self.state);
        if let Some(failure) = failure {
            if state.failures.len() == FAILURES_KEPT {
                state.failures.pop_front();
            }
            state.failures.push_back(failure);
        }
        self.completed.store(number, Ordering::Release);
        let mut at = 0;
        while at < state.wakers.len() {
            match state.wakers[at].0 <= number {
                true => state.wakers.swap_remove(at).1.wake(),
                false => at += 1,
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Registers a waker for submission `number`; false when it has completed already.
    pub(crate) fn register(&self, number: u64, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        if self.is_complete(number) {
            return false;
        }
        match state
            .wakers
            .iter()
            .any(|(n, known)| *n == number && known.will_wake(waker))
        {
            true => {}
            false => state.wakers.push((number, waker.clone())),
        }
        true
    }

    /// The failure of submission `number`, if it failed and is among the latest failures.
    pub(crate) fn failure(&self, number: u64) -> Option<StdArc<SubmissionFailure>> {
        if number == 0 {
            return None;
        }
        lock(&self.state)
            .failures
            .iter()
            .find(|failure| failure.number == number)
            .cloned()
    }
}
