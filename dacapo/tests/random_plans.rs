//! Thousands of random programs give the same bytes, whatever a plan has done to them, as run one operation after the
//! other by an interpreter that shares nothing with the runtime.

mod common;
mod programs;

use std::sync::LazyLock;

use dacapo::{Graph, Plan, PlanOptions, Reorder};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use programs::Op;
use programs::cases::{config, expected, players, without_splits};
use programs::fusing;
use programs::play::{Player, Run};
use programs::random::{programs, relays};

const WINDOWS: [u32; 2] = [3, 64];

fn orders() -> impl Iterator<Item = Reorder> {
    let windows = WINDOWS.map(|nodes| Reorder::Window(nodes.try_into().unwrap()));
    [Reorder::Free, Reorder::Never, Reorder::Serial]
        .into_iter()
        .chain(windows)
}

/// Plans of a program with and without rules, in every order, with memory to rename and without; and the run whose buffers
/// they use.
fn plans<'p>(player: &'p Player, program: &[Op], check: &mut dyn FnMut(&Run<'p>, Plan)) {
    let rules = fusing::rules(player);
    let mut run = Run::new(player);
    let graph = Graph::capture(&player.device, |encoder| {
        run.encode(program, encoder);
        Ok::<(), dacapo::Error>(())
    })
    .unwrap();
    for rules in [&rules[..], &[]] {
        for reorder in orders() {
            for rename_bytes in [0, 1 << 20] {
                let options = PlanOptions {
                    rules,
                    reorder,
                    rename_bytes,
                    costs: None,
                };
                check(&run, graph.plan(&options).unwrap());
            }
        }
    }
}

fn same_bytes(program: &[Op]) -> Result<(), TestCaseError> {
    static PLAYERS: LazyLock<Vec<Player>> = LazyLock::new(|| players([1, 2]));
    let expected = [1, 2].map(|times| expected(program, times));
    for player in PLAYERS.iter() {
        let mut differing = None;
        plans(player, program, &mut |run, plan| {
            run.restart();
            let executable = plan.instantiate().unwrap();
            for expected in &expected {
                executable.launch("planned").unwrap().wait().unwrap();
                if run.kept() != *expected && differing.is_none() {
                    differing = Some(format!("{:?} {:#?}", plan.report(), plan.graph()));
                }
            }
        });
        prop_assert_eq!(differing, None, "{:?}", player.device);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn plans_of_any_program_give_the_bytes_of_the_interpreter(program in programs()) {
        same_bytes(&without_splits(&program))?;
    }

    #[test]
    fn plans_of_relays_give_the_bytes_of_the_interpreter(program in relays()) {
        same_bytes(&program)?;
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
