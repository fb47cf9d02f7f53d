//! Jobs on their way from any thread to the one that runs them.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, lock, wait};

/// A queue that can be closed: what was pushed before is still handed out.
pub(super) struct Jobs<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    jobs: VecDeque<T>,
    closed: bool,
}

impl<T> Jobs<T> {
    pub(super) fn new() -> Jobs<T> {
        Jobs {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn push(&self, job: T) {
        lock(&self.waiting).jobs.push_back(job);
        self.changed.notify_one();
    }

    /// From now on [`Jobs::next`] gives `None` once the queue is empty.
    pub(super) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.changed.notify_one();
    }

    /// The job pushed first, waiting for one if need be. For one thread at a time.
    pub(super) fn next(&self) -> Option<T> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = wait(&self.changed, waiting);
        }
    }
}
