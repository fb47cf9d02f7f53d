//! How many random programs are tried, and where.

use dacapo_selftest::programs::play::Player;
use proptest::prelude::*;

use super::{device, metal, reference, vulkan};

/// Processors with these numbers of threads, the reference interpreter, and a GPU where there is one. Tests have players
/// of their own: others would disturb the counters.
pub(crate) fn players<const N: usize>(threads: [usize; N]) -> Vec<Player> {
    let cpus = threads.map(device).into_iter();
    cpus.chain([reference(2)])
        .chain(vulkan(|_| ()))
        .chain(metal(|_| ()))
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
