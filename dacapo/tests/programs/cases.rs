//! How many programs are tried, where, and what they should give.

use proptest::prelude::*;

use super::Op;
use super::meaning::Memory;
use super::play::Player;

/// Processors with these numbers of threads, the reference interpreter, and a GPU where there is one. Tests have players of their own: others would
/// disturb the counters.
pub(crate) fn players<const N: usize>(threads: [usize; N]) -> Vec<Player> {
    let cpus = threads.map(crate::common::device).into_iter();
    cpus.chain([crate::common::reference(2)])
        .chain(crate::common::vulkan(|_| ()))
        .chain(crate::common::metal(|_| ()))
        .map(Player::new)
        .collect()
}

/// How many programs a test runs; `DACAPO_TEST_PROGRAMS` says otherwise.
pub(crate) fn cases(usual: u32) -> u32 {
    match std::env::var("DACAPO_TEST_PROGRAMS") {
        Ok(text) => text.parse().expect("DACAPO_TEST_PROGRAMS is a number"),
        Err(_) => usual,
    }
}

/// As many cases as [`cases`] says, and no files about failures.
pub(crate) fn config(usual: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases(usual))
    }
}

pub(crate) fn without_splits(program: &[Op]) -> Vec<Op> {
    let ops = program.iter().filter(|op| !matches!(op, Op::Split));
    ops.cloned().collect()
}

/// What the spaces that outlive a program hold after so many runs of it.
pub(crate) fn expected(program: &[Op], times: usize) -> Vec<Vec<u8>> {
    let mut memory = Memory::initial();
    for _ in 0..times {
        memory.run(program);
    }
    memory.kept().into_iter().map(<[u8]>::to_vec).collect()
}
