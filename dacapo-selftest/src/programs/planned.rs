//! Plans of programs, in every way in which they can be made.

use dacapo::{Graph, Plan, PlanOptions, Reorder};
use proptest::prelude::*;

use super::Op;
use super::cases::expected;
use super::fusing;
use super::play::{Player, Run};

const WINDOWS: [u32; 2] = [3, 64];

fn orders() -> impl Iterator<Item = Reorder> {
    let windows = WINDOWS.map(|nodes| Reorder::Window(nodes.try_into().unwrap()));
    [Reorder::Free, Reorder::Never, Reorder::Serial]
        .into_iter()
        .chain(windows)
}

/// Plans of a program with and without rules, in every order, with memory to rename and without; and the run whose buffers
/// they use.
pub fn plans<'p>(player: &'p Player, program: &[Op], check: &mut dyn FnMut(&Run<'p>, Plan)) {
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

/// Holds two launches of every plan against the interpreter.
///
/// # Errors
/// With the first plan that gives other bytes.
pub fn same_bytes(player: &Player, program: &[Op]) -> Result<(), TestCaseError> {
    let expected = [1, 2].map(|times| expected(program, times));
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
    Ok(())
}
