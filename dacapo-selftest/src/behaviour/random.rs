//! Random programs give the bytes that an oracle computes, however they reach the device.

use std::fmt::Debug;

use dacapo::{EncoderOptions, Graph, Hazards, Launch, PlanOptions, ProfileLevel, Reorder, Split};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict};
use crate::programs::Op;
use crate::programs::cases::{expected, without_splits};
use crate::programs::oracle::Oracle;
use crate::programs::patched::{self, Tally};
use crate::programs::patches::patches;
use crate::programs::planned;
use crate::programs::play::{Player, Run};
use crate::programs::random::{programs, relays};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Random, name, run);
    vec![
        check(
            "programs in auto mode: bytes, barriers and their reasons",
            |bench| live(bench, Hazards::Auto),
        ),
        check("programs in serial mode", |bench| {
            live(bench, Hazards::Serial)
        }),
        check("programs in several submissions in flight", split),
        check("programs captured, replayed and launched", captured),
        check(
            "plans of programs, in every order, with and without fusion",
            plans,
        ),
        check("plans of relays, which fuse, rename and reorder", relayed),
        check(
            "executables that are patched between launches in flight",
            patched,
        ),
    ]
}

/// Tries so many values; the first that fails is made as small as it gets.
fn try_all<S: Strategy<Value: Debug>>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Verdict {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::with_cases(cases)
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    match TestRunner::new_with_rng(config, rng).run(strategy, test) {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, value)) => Err(Flaw::failed(format!(
            "{reason}; the smallest that fails: {value:?}"
        ))),
        Err(TestError::Abort(reason)) => Err(Flaw::failed(format!("given up: {reason}"))),
    }
}

fn failed(error: dacapo::Error) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

fn options(hazards: Hazards) -> EncoderOptions<'static> {
    EncoderOptions {
        label: "random",
        hazards: Some(hazards),
        ..EncoderOptions::default()
    }
}

fn live(bench: &Bench, hazards: Hazards) -> Verdict {
    let player = Player::new(bench.device.clone());
    try_all(bench.times(300, 25), &programs(), |program| {
        let program = without_splits(&program);
        let mut run = Run::new(&player);
        let mut encoder = player
            .device
            .encoder_with(options(hazards))
            .map_err(failed)?;
        run.encode(&program, &mut encoder);
        if hazards == Hazards::Auto {
            run.oracle.assert_agrees(encoder.barriers());
        }
        let before = player.device.counters();
        encoder.commit().and_then(|it| it.wait()).map_err(failed)?;
        let counted = player.device.counters() - before;
        prop_assert_eq!(counted.dispatches, run.oracle.dispatches.len() as u64);
        prop_assert_eq!(counted.barriers_missing, 0);
        prop_assert_eq!(run.kept(), expected(&program, 1));
        Ok(())
    })
}

fn split(bench: &Bench) -> Verdict {
    let player = Player::new(bench.device.clone());
    try_all(bench.times(150, 15), &programs(), |program| {
        let mut run = Run::new(&player);
        let mut submissions = Vec::new();
        for part in program.split(|op| matches!(op, Op::Split)) {
            run.oracle = Oracle::default();
            let mut encoder = player
                .device
                .encoder_with(options(Hazards::Auto))
                .map_err(failed)?;
            run.encode(part, &mut encoder);
            run.oracle.assert_agrees(encoder.barriers());
            submissions.push(encoder.commit().map_err(failed)?);
        }
        prop_assert_eq!(run.kept(), expected(&program, 1));
        submissions
            .iter()
            .try_for_each(|it| it.wait())
            .map_err(failed)
    })
}

fn captured(bench: &Bench) -> Verdict {
    let player = Player::new(bench.device.clone());
    try_all(bench.times(100, 10), &programs(), |program| {
        let program = without_splits(&program);
        let mut run = Run::new(&player);
        let graph = Graph::capture(&player.device, |encoder| {
            run.encode(&program, encoder);
            Ok::<(), dacapo::Error>(())
        });
        let graph = graph.map_err(failed)?;
        prop_assert_eq!(run.kept(), expected(&[], 0), "a capture ran something");
        // One explicit barrier is as good as several in a row.
        run.oracle.barriers.dedup();
        run.oracle.assert_agrees(&graph.barriers());
        for times in 1..=2 {
            graph
                .replay("again")
                .and_then(|it| it.wait())
                .map_err(failed)?;
            prop_assert_eq!(run.kept(), expected(&program, times), "replay {}", times);
        }
        let plan = graph.plan(&PlanOptions::default()).map_err(failed)?;
        let split = Split { first: 3, rest: 5 };
        let executable = plan.instantiate_with(split).map_err(failed)?;
        for profile in [
            ProfileLevel::Off,
            ProfileLevel::Dispatches,
            ProfileLevel::Off,
        ] {
            let launch = Launch {
                label: "again",
                profile,
                ..Launch::default()
            };
            executable.launch_with(&launch).map_err(failed)?;
        }
        prop_assert_eq!(run.kept(), expected(&program, 5), "launches");
        Ok(())
    })
}

fn plans(bench: &Bench) -> Verdict {
    let player = Player::new(bench.device.clone());
    try_all(bench.times(15, 2), &programs(), |program| {
        planned::same_bytes(&player, &without_splits(&program))
    })
}

fn relayed(bench: &Bench) -> Verdict {
    let player = Player::new(bench.device.clone());
    try_all(bench.times(15, 2), &relays(), |program| {
        planned::same_bytes(&player, &program)
    })
}

fn patched(bench: &Bench) -> Verdict {
    let player = Player::new(bench.device.clone());
    let tally = Tally::default();
    let all = (programs(), patches());
    try_all(bench.times(60, 6), &all, |(program, patches)| {
        let program = without_splits(&program);
        for reorder in [Reorder::Free, Reorder::Never] {
            patched::same_bytes(&player, &program, &patches, reorder, &tally)?;
        }
        Ok(())
    })?;
    let taken = tally.taken.get();
    ensure!(taken > 0, "no patch was taken");
    Ok(())
}
