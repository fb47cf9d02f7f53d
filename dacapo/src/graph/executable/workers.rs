//! Pieces of one job on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Most threads that record at the same time: they share the driver's locks.
const MOST: usize = 8;

/// Does `work` for each of `0..count`, and hands the results to `each` in that order, on this thread. The first piece is
/// done and handed over before others begin; then other threads help. Where the system has no threads to give, this one
/// does everything.
pub(super) fn in_order<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut each: impl FnMut(usize, T),
) {
    if count == 0 {
        return;
    }
    each(0, work(0));
    if count == 1 {
        return;
    }
    let next = AtomicUsize::new(1);
    let claim = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < count);
    let (work, claim) = (&work, &claim);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let helpers = threads.min(MOST).min(count - 1) - 1;
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..helpers {
            let send = send.clone();
            let help = move || {
                while let Some(at) = claim() {
                    // Fails when this function has panicked, and nobody needs the result.
                    let _ = send.send((at, work(at)));
                }
            };
            let thread = thread::Builder::new().name("dacapo-record".to_owned());
            if thread.spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        drop(send);
        let mut done: Vec<Option<T>> = (0..count).map(|_| None).collect();
        let mut due = 1;
        while due < count {
            let finished = match claim() {
                Some(at) => Some((at, work(at))),
                None => receive.recv().ok(),
            };
            // All results are here, or a helper has panicked, which the end of the scope passes on.
            let Some((at, result)) = finished else {
                break;
            };
            done[at] = Some(result);
            for (at, result) in receive.try_iter() {
                done[at] = Some(result);
            }
            while let Some(result) = done.get_mut(due).and_then(Option::take) {
                each(due, result);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_however_long_each_takes() {
        for count in [0, 1, 2, 3, 50] {
            let mut seen = Vec::new();
            let work = |at: usize| {
                thread::sleep(std::time::Duration::from_micros(at as u64 * 7919 % 500));
                at * at
            };
            in_order(count, work, |at, result| seen.push((at, result)));
            let expected: Vec<_> = (0..count).map(|at| (at, at * at)).collect();
            assert_eq!(seen, expected);
        }
    }
}
