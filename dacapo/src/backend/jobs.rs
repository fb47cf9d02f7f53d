//! Jobs on their way from any thread to the one that runs them.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, lock, wait};

/// A queue that can be closed: what was pushed before is still handed out.
pub(crate) struct Jobs<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    jobs: VecDeque<T>,
    closed: bool,
}

impl<T> Jobs<T> {
    pub(crate) fn new() -> Jobs<T> {
        Jobs {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, job: T) {
        lock(&self.waiting).jobs.push_back(job);
        self.changed.notify_one();
    }

    /// From now on [`Jobs::next`] gives `None` once the queue is empty.
    pub(crate) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.changed.notify_one();
    }

    /// The job pushed first, waiting for one if need be. For one thread at a time.
    pub(crate) fn next(&self) -> Option<T> {
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

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::Arc;
    use crate::timeline::Timeline;

    /// What a committing thread, the queue's thread and a waiting thread do to a submission: pushed jobs
    /// run once and in order, a wait ends, and a close while a job is pushed loses nothing.
    #[test]
    fn jobs_run_in_order_and_complete_under_every_interleaving() {
        crate::sync::model(|| {
            let (jobs, timeline) = (Arc::new(Jobs::new()), Arc::new(Timeline::new()));
            let lead = {
                let (jobs, timeline) = (jobs.clone(), timeline.clone());
                loom::thread::spawn(move || {
                    let mut ran = 0;
                    while let Some(number) = jobs.next() {
                        assert_eq!(number, ran + 1);
                        ran = number;
                        timeline.complete(number);
                    }
                    ran
                })
            };
            let waiter = {
                let timeline = timeline.clone();
                loom::thread::spawn(move || assert!(timeline.wait(1, None)))
            };
            jobs.push(1);
            jobs.push(2);
            jobs.close();
            assert_eq!(lead.join().unwrap(), 2);
            assert!(timeline.is_complete(2));
            waiter.join().unwrap();
        });
    }
}
