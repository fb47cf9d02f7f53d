//! Thousands of random programs give the same bytes, however they are encoded, as run one operation after
//! the other by an interpreter that shares nothing with the runtime; and barriers are exactly where a
//! comparison of each dispatch with each finds a conflict.

mod common;

use std::sync::LazyLock;

use dacapo::{
    Device, DeviceKind, DeviceOptions, EncoderOptions, Error, Fault, GpuDebug, Graph, Grid,
    Hazards, KernelSource, Launch, PlanOptions, ProfileLevel, Split, Wgsl,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use common::{cases, config, players};
use dacapo_selftest::programs::cases::{expected, without_splits};
use dacapo_selftest::programs::meaning::Memory;
use dacapo_selftest::programs::oracle::Oracle;
use dacapo_selftest::programs::play::{Player, Run};
use dacapo_selftest::programs::random::programs;
use dacapo_selftest::programs::{Kind, Op};

/// For one test.
type Players = LazyLock<Vec<Player>>;

fn with_hazards(player: &Player, hazards: Hazards) -> dacapo::CommandEncoder {
    let options = EncoderOptions {
        label: "random",
        hazards: Some(hazards),
        ..EncoderOptions::default()
    };
    player.device.encoder_with(options).unwrap()
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn live_encoding_gives_the_bytes_of_the_interpreter(program in programs()) {
        static PLAYERS: Players = LazyLock::new(|| players([1, 2, 4]));
        let program = without_splits(&program);
        let expected = expected(&program, 1);
        for player in PLAYERS.iter() {
            for (hazards, place_barriers) in [
                (Hazards::Auto, false),
                (Hazards::Serial, false),
                (Hazards::Manual, true),
                (Hazards::Manual, false),
            ] {
                let mut run = Run::new(player);
                run.place_barriers = place_barriers;
                let manual = (hazards, place_barriers) == (Hazards::Manual, false);
                let races = manual && player.device.gpu().is_some();
                run.oracle.leaves_races = races;
                let mut encoder = with_hazards(player, hazards);
                let before = player.device.counters();
                let rest = run.encode(&program, &mut encoder);
                prop_assert!(rest.is_empty());
                let conflicts = run.oracle.barriers.iter().filter(|(_, explicit)| !explicit);
                let conflicts = conflicts.count() as u64;
                match (hazards, place_barriers) {
                    (Hazards::Auto, _) => run.oracle.assert_agrees(encoder.barriers()),
                    (Hazards::Manual, true) => prop_assert_eq!(
                        encoder.barriers().len(),
                        run.oracle.barriers.len()
                    ),
                    _ => {}
                }
                let (outcome, reports) = common::reported(|| encoder.commit().unwrap().wait());
                // The validation layer may notice what is missing, and Metal's double does.
                prop_assert!(outcome.is_ok() || races && conflicts > 0, "{:?}", outcome);
                prop_assert!(reports.is_empty() || races && conflicts > 0, "{:?}", reports);
                let counted = player.device.counters() - before;
                prop_assert_eq!(counted.dispatches, run.oracle.dispatches.len() as u64);
                match (hazards, place_barriers) {
                    (Hazards::Auto, _) => {
                        let found = counted.barriers() - counted.barriers_explicit;
                        prop_assert_eq!(found, conflicts);
                        prop_assert_eq!(counted.barriers_missing, 0);
                        let waves = run.oracle.waves();
                        let first_of_wave = waves.iter().filter(|wave| !wave.is_empty()).count();
                        prop_assert_eq!(
                            counted.barriers_elided,
                            counted.dispatches - first_of_wave as u64
                        );
                    }
                    (Hazards::Manual, true) => prop_assert_eq!(counted.barriers_missing, 0),
                    (Hazards::Manual, false) => {
                        prop_assert_eq!(counted.barriers_missing, conflicts);
                    }
                    (Hazards::Serial, _) => {
                        prop_assert!(counted.barriers() + 1 >= counted.dispatches);
                    }
                }
                if !races {
                    prop_assert_eq!(run.kept(), expected.clone(), "{:?}", hazards);
                }
            }
        }
    }

    #[test]
    fn a_captured_program_gives_the_same_bytes_at_each_replay(program in programs()) {
        static PLAYERS: Players = LazyLock::new(|| players([1, 2, 4]));
        let program = without_splits(&program);
        for player in PLAYERS.iter() {
            for hazards in [Hazards::Auto, Hazards::Manual, Hazards::Serial] {
                let mut run = Run::new(player);
                let placed = hazards == Hazards::Manual && player.device.gpu().is_some();
                run.place_barriers = placed;
                let before = player.device.counters();
                let graph = Graph::capture_with(&player.device, Some(hazards), |encoder| {
                    run.encode(&program, encoder);
                    Ok::<(), dacapo::Error>(())
                })
                .unwrap();
                let counted = player.device.counters() - before;
                prop_assert_eq!((counted.dispatches, counted.submissions), (0, 0));
                prop_assert_eq!(run.kept(), expected(&[], 0), "capture runs nothing");

                // One explicit barrier is as good as several in a row.
                run.oracle.barriers.dedup();
                if placed {
                    prop_assert_eq!(graph.barriers().len(), run.oracle.barriers.len());
                } else if hazards != Hazards::Serial {
                    run.oracle.assert_agrees(&graph.barriers());
                }
                let mut encoder = with_hazards(player, hazards);
                graph.encode(&mut encoder).unwrap();
                prop_assert_eq!(encoder.barriers(), &graph.barriers()[..]);
                drop(encoder);

                for times in 1..=2 {
                    graph.replay("again").unwrap().wait().unwrap();
                    prop_assert_eq!(run.kept(), expected(&program, times), "replay {}", times);
                }
                let split = Split { first: 3, rest: 5 };
                let plan = graph.plan(&PlanOptions::default()).unwrap();
                let executable = plan.instantiate_with(split).unwrap();
                // The validation layer never forgets a query.
                let timed = match hazards {
                    Hazards::Auto => ProfileLevel::Dispatches,
                    Hazards::Manual | Hazards::Serial => ProfileLevel::Off,
                };
                let levels = [ProfileLevel::Off, timed, ProfileLevel::Off];
                let launches = levels.map(|profile| {
                    let launch = Launch { label: "again", profile, ..Launch::default() };
                    executable.launch_with(&launch).unwrap()
                });
                drop(executable);
                prop_assert_eq!(run.kept(), expected(&program, 5), "launches");
                if let Some(trace) = launches[1].trace() {
                    let nodes: Vec<_> = trace.dispatches.iter().filter_map(|it| it.node).collect();
                    prop_assert!(nodes.into_iter().eq(0..plan.graph().nodes().len() as u32));
                    let waves = trace.dispatches.last().map_or(0, |it| it.wave as usize + 1);
                    prop_assert_eq!(waves, plan.waves().len());
                }
                for launch in launches {
                    launch.wait().unwrap();
                }
            }
        }
    }

    #[test]
    fn several_submissions_in_flight_give_the_same_bytes(program in programs()) {
        static PLAYERS: Players = LazyLock::new(|| players([1, 2, 4]));
        let expected = expected(&program, 1);
        for player in PLAYERS.iter() {
            let mut run = Run::new(player);
            let mut submissions = Vec::new();
            for part in program.split(|op| matches!(op, Op::Split)) {
                run.oracle = Oracle::default();
                let mut encoder = with_hazards(player, Hazards::Auto);
                run.encode(part, &mut encoder);
                run.oracle.assert_agrees(encoder.barriers());
                submissions.push(encoder.commit().unwrap());
            }
            prop_assert_eq!(run.kept(), expected.clone());
            for submission in &submissions {
                submission.wait().unwrap();
            }
        }
    }
}

/// The negative control on Metal's double: it reports the races of programs without their barriers. Of single bytes in one
/// word it knows the last to touch them, so that a few may escape it.
#[cfg(all(dacapo_metal_double, not(target_vendor = "apple")))]
#[test]
fn without_barriers_metals_double_reports_races() {
    let Some(device) = common::metal(|_| ()) else {
        return;
    };
    let player = Player::new(device);
    let mut runner = TestRunner::deterministic();
    let programs = programs();
    let (mut raced, mut reported) = (0, 0);
    for _ in 0..cases(300) {
        let program = programs.new_tree(&mut runner).unwrap().current();
        let mut program = without_splits(&program);
        // What may touch anything is kept apart, but does not.
        program.retain(|op| !matches!(op, Op::Call(call) if call.kind == Kind::Wild));
        let mut run = Run::new(&player);
        run.oracle.leaves_races = true;
        let mut encoder = with_hazards(&player, Hazards::Manual);
        run.encode(&program, &mut encoder);
        let races = (run.oracle.barriers.iter()).any(|(_, is_explicit)| !is_explicit);
        let (outcome, reports) = common::reported(|| encoder.commit().unwrap().wait());
        outcome.unwrap();
        assert!(races || reports.is_empty(), "{reports:?}");
        raced += u32::from(races);
        reported += u32::from(!reports.is_empty());
    }
    common::say(&format!("{reported} of {raced} programs were reported"));
    assert!(raced > 0 && reported * 100 >= raced * 98);
}

/// The negative control on a GPU that runs dispatches at the same time: without barriers, bytes differ.
#[test]
fn without_barriers_a_gpu_gives_other_bytes() {
    let unwatched = |options: &mut DeviceOptions| options.gpu_debug = GpuDebug::Off;
    let Some(device) = common::vulkan(unwatched) else {
        return;
    };
    if device.info().kind == DeviceKind::SoftwareGpu {
        common::say(&format!(
            "not run: {} runs one dispatch at a time",
            device.info().name
        ));
        return;
    }
    let player = Player::new(device);
    let mut runner = TestRunner::deterministic();
    let programs = programs();
    let (total, mut raced, mut differed) = (cases(3000), 0, 0);
    for _ in 0..total {
        let program = programs.new_tree(&mut runner).unwrap().current();
        let program = without_splits(&program);
        let mut run = Run::new(&player);
        run.oracle.leaves_races = true;
        let mut encoder = with_hazards(&player, Hazards::Manual);
        run.encode(&program, &mut encoder);
        raced += usize::from(!run.oracle.barriers.is_empty());
        encoder.commit().unwrap().wait().unwrap();
        differed += usize::from(run.kept() != expected(&program, 1));
    }
    common::say(&format!(
        "{differed} of {total} programs differed without barriers; {raced} had conflicts"
    ));
    let chains = (0..20).filter(|_| !chain_is_right(&player.device)).count();
    common::say(&format!(
        "{chains} of 20 chains of larger dispatches differed without barriers"
    ));
    assert!(differed + chains > 0, "suppressed barriers change nothing");
}

/// The interpreter reports where a barrier is missing, and only there.
#[test]
fn without_barriers_the_interpreter_reports_races() {
    let player = Player::new(common::reference(1));
    let mut runner = TestRunner::deterministic();
    let programs = programs();
    let (total, mut raced, mut missed) = (cases(200), 0, 0);
    for _ in 0..total {
        let program = programs.new_tree(&mut runner).unwrap().current();
        let mut program = without_splits(&program);
        // Kernels that may touch anything touch nothing that others do.
        program.retain(|op| !matches!(op, Op::Call(call) if call.kind == Kind::Wild));
        let mut run = Run::new(&player);
        run.oracle.leaves_races = true;
        let mut encoder = with_hazards(&player, Hazards::Manual);
        run.encode(&program, &mut encoder);
        let submission = encoder.commit().unwrap();
        let needed = (run.oracle.barriers.iter()).any(|(_, is_explicit)| !is_explicit);
        match (needed, submission.wait()) {
            (false, outcome) => outcome.unwrap(),
            (true, Ok(())) => (raced, missed) = (raced + 1, missed + 1),
            (true, Err(Error::Submission(failure))) => {
                let is_report = matches!(failure.fault, Fault::Check { .. });
                assert!(is_report, "{failure}");
                raced += 1;
            }
            (true, Err(error)) => panic!("{error}"),
        }
    }
    assert!(
        raced > total / 4,
        "{raced} of {total} programs had conflicts"
    );
    assert_eq!(missed, 0, "of {raced} programs with conflicts");
}

/// Whether a chain of dispatches over many elements, each reading what the one before wrote elsewhere, gives what
/// it must without any barrier.
fn chain_is_right(device: &Device) -> bool {
    const LEN: u32 = 1 << 20;
    const STEPS: u32 = 32;
    let text = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let last = arrayLength(&x) - 1u;
    y[id.x] = x[last - id.x] + 1u;
}";
    let source = KernelSource::new("mirror").wgsl(Wgsl::new(text));
    let kernel = device.kernel(&source).unwrap();
    let buffers = [(); 2].map(|()| common::buffer(device, LEN.into()));
    let options = EncoderOptions {
        label: "chain",
        hazards: Some(Hazards::Manual),
        ..EncoderOptions::default()
    };
    let mut encoder = device.encoder_with(options).unwrap();
    for step in 0..STEPS as usize {
        let (x, y) = (&buffers[step % 2], &buffers[(step + 1) % 2]);
        let grid = Grid::threads([LEN, 1, 1]);
        encoder.dispatch(&kernel, (x, y), grid).unwrap();
    }
    encoder.commit().unwrap().wait().unwrap();
    let last = &buffers[STEPS as usize % 2];
    last.read::<u32>().unwrap() == vec![STEPS; LEN as usize]
}

/// Runs a program's dispatches wave by wave, those of a wave in reverse order.
fn reversed_waves(dispatched: &[Op], waves: &[std::ops::Range<usize>]) -> Vec<Vec<u8>> {
    let mut memory = Memory::initial();
    for wave in waves {
        for op in dispatched[wave.clone()].iter().rev() {
            memory.step(op);
        }
    }
    memory.kept().into_iter().map(<[u8]>::to_vec).collect()
}

/// The net holds: within the oracle's waves any order will do, and without any one of its barriers the bytes
/// come out wrong often enough for a runtime that forgot one to be caught.
#[test]
fn a_forgotten_barrier_changes_the_bytes() {
    let mut runner = TestRunner::deterministic();
    let player = &Player::new(common::device(1));
    let (mut forgotten, mut noticed) = (0, 0);
    for _ in 0..200 {
        let program = programs().new_tree(&mut runner).unwrap().current();
        // Blocks of a pool are spaces of their own to the interpreter, which therefore cannot see what
        // issuing one too early would do.
        let pool = |op: &Op| matches!(op, Op::Allocate { .. });
        let program = without_splits(&program);
        if program.iter().any(pool) {
            continue;
        }
        let mut run = Run::new(player);
        run.encode(&program, &mut with_hazards(player, Hazards::Auto));
        let (dispatched, waves) = (&run.dispatched, run.oracle.waves());
        let expected = expected(&program, 1);
        assert_eq!(reversed_waves(dispatched, &waves), expected);
        for at in 1..waves.len() {
            if run.oracle.barriers[at - 1].1 {
                continue;
            }
            let mut joined = waves.clone();
            let second = joined.remove(at);
            joined[at - 1].end = second.end;
            forgotten += 1;
            noticed += usize::from(reversed_waves(dispatched, &joined) != expected);
        }
    }
    assert!(forgotten >= 100, "only {forgotten} barriers to forget");
    // The others are overwritten later, or meet in bytes that a small grid leaves alone.
    assert!(noticed * 4 >= forgotten, "{noticed} of {forgotten} noticed");
}
