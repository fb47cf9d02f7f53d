//! Thousands of random programs give the same bytes, whatever a plan has done to them, as run one operation after the
//! other by an interpreter that shares nothing with the runtime.

mod common;

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use common::{config, players};
use dacapo_selftest::programs::Op;
use dacapo_selftest::programs::cases::without_splits;
use dacapo_selftest::programs::planned::{plans, same_bytes};
use dacapo_selftest::programs::play::Player;
use dacapo_selftest::programs::random::{programs, relays};

fn same_everywhere(program: &[Op]) -> Result<(), TestCaseError> {
    static PLAYERS: LazyLock<Vec<Player>> = LazyLock::new(|| players([1, 2]));
    (PLAYERS.iter()).try_for_each(|player| same_bytes(player, program))
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn plans_of_any_program_give_the_bytes_of_the_interpreter(program in programs()) {
        same_everywhere(&without_splits(&program))?;
    }

    #[test]
    fn plans_of_relays_give_the_bytes_of_the_interpreter(program in relays()) {
        same_everywhere(&program)?;
    }
}

/// The net is tight: rules of every kind fire, values are renamed, and waves saved, in many of the programs.
#[test]
fn plans_of_relays_do_something() {
    let mut runner = TestRunner::deterministic();
    let player = &Player::new(common::device(1));
    let (mut fired, mut renamed, mut shorter) = (std::collections::BTreeMap::new(), 0, 0);
    for _ in 0..300 {
        let program = relays().new_tree(&mut runner).unwrap().current();
        plans(player, &program, &mut |_, plan| {
            let report = plan.report();
            for (rule, count) in report.fusion.counts() {
                *fired.entry(rule).or_insert(0) += count;
            }
            renamed += report.moved.len();
            let shape = report.renamed;
            assert!(plan.waves().len() as u32 >= shape.longest_path);
            shorter += usize::from(plan.waves().len() as u32 <= shape.barriers_program_order);
        });
    }
    assert_eq!(fired.len(), 5, "{fired:?}");
    assert!(fired.values().all(|count| *count > 100), "{fired:?}");
    assert!(renamed > 100 && shorter > 100, "{renamed} {shorter}");
}
