//! Executables of programs, patched between launches.

use std::cell::Cell;

use dacapo::{Error, Executable, Graph, Plan, PlanOptions, Reorder, Split};
use proptest::prelude::*;

use super::Op;
use super::meaning::Memory;
use super::oracle::Dispatch;
use super::patches::{Change, RawChange, is_valid};
use super::play::{Player, Run};

/// A planned program, as its patches have left it.
struct Patched<'p> {
    run: Run<'p>,
    plan: Plan,
    /// In program order.
    program: Vec<Op>,
    touches: Vec<Dispatch>,
    /// The node of each dispatch.
    nodes: Vec<usize>,
    expected: Memory,
}

/// How often patches were taken, and refused for a conflict.
#[derive(Debug, Default)]
pub struct Tally {
    /// As they were asked for.
    pub taken: Cell<u32>,
    /// For a conflict that the plan does not cover.
    pub refused: Cell<u32>,
    /// Those among them that a later wave would overtake.
    pub overtaken: Cell<u32>,
}

fn one_more(count: &Cell<u32>) {
    count.set(count.get() + 1);
}

impl<'p> Patched<'p> {
    fn new(player: &'p Player, program: &[Op], reorder: Reorder) -> Patched<'p> {
        let mut run = Run::new(player);
        run.numbers = true;
        let graph = Graph::capture(&player.device, |encoder| {
            run.encode(program, encoder);
            Ok::<(), Error>(())
        });
        let options = PlanOptions {
            reorder,
            rename_bytes: 0,
            ..PlanOptions::default()
        };
        let plan = graph.unwrap().plan(&options).unwrap();
        let mut nodes = vec![0; run.dispatched.len()];
        for (at, node) in plan.graph().nodes().iter().enumerate() {
            let number = plan.graph().scope_path(node).pop().unwrap();
            nodes[number.parse::<usize>().unwrap()] = at;
        }
        Patched {
            program: run.dispatched.clone(),
            touches: run.oracle.dispatches.clone(),
            run,
            plan,
            nodes,
            expected: Memory::initial(),
        }
    }

    /// Whether a later dispatch conflicts with an earlier one and does not run in a later wave.
    fn is_uncovered(&self, touches: &[Dispatch]) -> bool {
        let wave = |at: usize| self.plan.wave_of(self.nodes[at]);
        (0..touches.len()).any(|later| {
            let mut before = (0..later).filter(|&earlier| wave(earlier) >= wave(later));
            before.any(|earlier| touches[later].conflicts(&touches[earlier]))
        })
    }

    /// Patches the executable and, if that is to be taken, the program.
    fn patch(
        &mut self,
        executable: &mut Executable,
        raw: &[RawChange],
        tally: &Tally,
    ) -> Result<(), TestCaseError> {
        let (mut program, mut touches) = (self.program.clone(), self.touches.clone());
        let changes = raw.iter().filter_map(|raw| raw.resolve(&program));
        let mut changes: Vec<(usize, Change)> = changes.collect();
        // Steps of a patch are checked one by one, so one change of a dispatch is enough to tell what is refused.
        changes.sort_by_key(|(at, _)| *at);
        changes.dedup_by_key(|(at, _)| *at);
        for (at, change) in &changes {
            change.apply(&mut program[*at], &mut touches[*at], &self.run);
        }
        let before = format!("{:?}", executable.graph());
        let patched = executable.patch(|patch| {
            changes.iter().try_for_each(|(at, change)| {
                change.patch(&program[*at], self.nodes[*at], &self.run, patch)
            })
        });
        if !changes.iter().all(|(at, _)| is_valid(&program[*at])) {
            let refused = matches!(patched, Err(Error::Patch(_)));
            prop_assert!(refused, "{:?}", patched);
        } else if self.is_uncovered(&touches) {
            let Err(Error::TopologyChanged(change)) = &patched else {
                return Err(TestCaseError::fail(format!("taken: {changes:?}")));
            };
            one_more(&tally.refused);
            if change.place == dacapo::Place::Overtaken {
                one_more(&tally.overtaken);
            }
        } else {
            prop_assert!(patched.is_ok(), "{:?} {:?}", patched, changes);
            (self.program, self.touches) = (program, touches);
            one_more(&tally.taken);
        }
        if patched.is_err() {
            prop_assert_eq!(before, format!("{:?}", executable.graph()));
        }
        Ok(())
    }
}

/// Runs a program once in parts, then as an executable that is patched between launches in flight.
///
/// # Errors
/// Where bytes differ from those of the interpreter, or a patch is taken or refused without need.
pub fn same_bytes(
    player: &Player,
    program: &[Op],
    patches: &[Vec<RawChange>],
    reorder: Reorder,
    tally: &Tally,
) -> Result<(), TestCaseError> {
    let mut patched = Patched::new(player, program, reorder);
    if patched.program.is_empty() {
        return Ok(());
    }
    let split = Split { first: 1, rest: 4 };
    patched.plan.replay_with("in parts", split).unwrap();
    patched.expected.run(&patched.program);
    let mut executable = patched.plan.instantiate_with(split).unwrap();
    let mut launches = Vec::new();
    for raw in patches {
        launches.push(executable.launch("before").unwrap());
        patched.expected.run(&patched.program);
        patched.patch(&mut executable, raw, tally)?;
    }
    launches.push(executable.launch("last").unwrap());
    patched.expected.run(&patched.program);
    drop(executable);
    let expected: Vec<Vec<u8>> = patched
        .expected
        .kept()
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect();
    prop_assert_eq!(patched.run.kept(), expected);
    for launch in launches {
        launch.wait().unwrap();
    }
    Ok(())
}
