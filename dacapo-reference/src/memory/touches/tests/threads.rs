//! Two threads on the same words at the same time: for each word, one of the two has to notice.

use core::sync::atomic::{AtomicU8, AtomicUsize};

use super::*;

const WORDS: usize = 20_000;

/// After so many words the two wait for each other, so that they stay close.
const STRIDE: usize = 8;

type Access = fn(&Touches, usize, Touch, &Now<'_>) -> Option<Touch>;

/// How many words are reported by neither of two groups that do this to each word.
fn unnoticed(first: &[Access], second: &[Access]) -> usize {
    let touches = Touches::new(WORDS).unwrap();
    let noticed: Vec<AtomicU8> = (0..WORDS).map(|_| AtomicU8::new(0)).collect();
    let arrived = AtomicUsize::new(0);
    let now = Now {
        shared: true,
        ..now()
    };
    let touch_all = |group: u32, accesses: &[Access]| {
        for (word, noticed) in noticed.iter().enumerate() {
            if word % STRIDE == 0 {
                meet(&arrived, 2 * (word / STRIDE + 1));
            }
            for (lane, access) in (0..).zip(accesses) {
                if let Some(found) = access(&touches, word, Touch::new(group, lane, 0), &now) {
                    assert_ne!(found.group(), group);
                    noticed.fetch_add(1, Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| touch_all(1, first));
        scope.spawn(|| touch_all(2, second));
    });
    noticed.iter().filter(|n| n.load(Relaxed) == 0).count()
}

/// Waits until all have arrived that are expected.
fn meet(arrived: &AtomicUsize, expected: usize) {
    arrived.fetch_add(1, Relaxed);
    let mut looks = 0;
    while arrived.load(Relaxed) < expected {
        looks += 1;
        if looks % 1000 == 0 {
            std::thread::yield_now();
        }
        core::hint::spin_loop();
    }
}

const READ: Access = Touches::read;
const WRITE: Access = Touches::write;
const ATOMIC: Access = Touches::atomic;

#[test]
fn races_of_two_threads_are_noticed() {
    let races: [(&[Access], &[Access]); 6] = [
        (&[WRITE], &[WRITE]),
        (&[READ], &[WRITE]),
        (&[ATOMIC], &[WRITE]),
        (&[ATOMIC], &[READ]),
        (&[READ, READ, READ, WRITE], &[READ, READ, READ]),
        (&[ATOMIC, ATOMIC, ATOMIC], &[ATOMIC, ATOMIC, READ]),
    ];
    for (at, (first, second)) in races.into_iter().enumerate() {
        assert_eq!(unnoticed(first, second), 0, "race {at}");
        assert_eq!(unnoticed(second, first), 0, "race {at}, turned around");
    }
}

#[test]
fn what_two_threads_may_do_is_not_reported() {
    assert_eq!(unnoticed(&[READ, READ], &[READ]), WORDS);
    assert_eq!(unnoticed(&[ATOMIC], &[ATOMIC, ATOMIC]), WORDS);
}
