//! Executables of thousands of random programs, patched at random between launches, give the bytes of the interpreter;
//! and patches are refused exactly where a comparison of each dispatch with each finds a conflict that the plan does not
//! cover.

mod common;

use std::sync::LazyLock;

use dacapo::Reorder;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use common::{config, players};
use dacapo_selftest::programs::cases::without_splits;
use dacapo_selftest::programs::patched::{Tally, same_bytes};
use dacapo_selftest::programs::patches::patches;
use dacapo_selftest::programs::play::Player;
use dacapo_selftest::programs::random::programs;

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn patched_executables_give_the_bytes_of_the_interpreter(
        program in programs(),
        patches in patches(),
    ) {
        static PLAYERS: LazyLock<Vec<Player>> = LazyLock::new(|| players([1, 3]));
        let program = without_splits(&program);
        for player in PLAYERS.iter() {
            for reorder in [Reorder::Free, Reorder::Never] {
                same_bytes(player, &program, &patches, reorder, &Tally::default())?;
            }
        }
    }
}

/// The net is tight: patches are taken, and refused for either reason.
#[test]
fn patches_do_something_and_are_refused() {
    let mut runner = TestRunner::deterministic();
    let player = &Player::new(common::device(1));
    let tally = Tally::default();
    for _ in 0..300 {
        let program = without_splits(&programs().new_tree(&mut runner).unwrap().current());
        let patches = patches().new_tree(&mut runner).unwrap().current();
        same_bytes(player, &program, &patches, Reorder::Free, &tally).unwrap();
    }
    let [taken, refused, overtaken] =
        [tally.taken, tally.refused, tally.overtaken].map(|count| count.get());
    assert!(
        taken > 300 && refused > 50 && overtaken > 10,
        "{taken} taken, {refused} refused, {overtaken} of them for their order"
    );
}
