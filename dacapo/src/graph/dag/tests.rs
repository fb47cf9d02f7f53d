use proptest::prelude::*;

use super::*;
use crate::access::Access;
use crate::graph::schedule::{Reorder, Schedule};
use crate::hazard::AllocationId;

/// A step that owns what it touches.
#[derive(Clone, Debug)]
struct Owned {
    accesses: Vec<RangeAccess>,
    unknown: bool,
    fence: bool,
}

impl Owned {
    fn step(&self) -> Step<'_> {
        Step {
            accesses: &self.accesses,
            unknown: self.unknown,
            fence: self.fence,
        }
    }
}

fn access() -> impl Strategy<Value = RangeAccess> {
    let kind = prop_oneof![
        Just(Access::Read),
        Just(Access::Write),
        Just(Access::ReadWrite)
    ];
    (0..3u32, 0..24u64, 1..12u64, kind).prop_map(|(allocation, start, len, access)| RangeAccess {
        allocation: AllocationId::new(allocation),
        range: ByteRange::new(start, start + len),
        access,
    })
}

fn program(most: usize) -> impl Strategy<Value = Vec<Owned>> {
    let step = (
        prop::collection::vec(access(), 1..4),
        prop::bool::weighted(0.04),
        prop::bool::weighted(0.04),
    );
    let step = step.prop_map(|(accesses, unknown, fence)| Owned {
        accesses,
        unknown,
        fence,
    });
    prop::collection::vec(step, 0..most)
}

/// Whether step `b` must run after step `a`, straight from the definition.
fn must_wait(program: &[Owned], a: usize, b: usize) -> bool {
    let (first, second) = (&program[a], &program[b]);
    let fenced = program[a + 1..=b].iter().any(|step| step.fence);
    let touch = |x: &RangeAccess, y: &RangeAccess| {
        let bytes = |at: &RangeAccess| at.range.start..at.range.end;
        x.allocation == y.allocation
            && (x.access.writes() || y.access.writes())
            && bytes(x).any(|byte| bytes(y).contains(&byte))
    };
    fenced
        || first.unknown
        || second.unknown
        || first
            .accesses
            .iter()
            .any(|x| second.accesses.iter().any(|y| touch(x, y)))
}

/// Nodes on the longest chain, over all pairs.
fn longest_chain(program: &[Owned]) -> u32 {
    let mut depths: Vec<u32> = Vec::new();
    for b in 0..program.len() {
        let before = (0..b).filter(|&a| must_wait(program, a, b));
        depths.push(before.map(|a| depths[a] + 1).max().unwrap_or(0));
    }
    depths.iter().max().map_or(0, |deepest| deepest + 1)
}

/// The least number of waves, by trying every set of ready steps as the next wave.
fn fewest_waves(program: &[Owned]) -> u32 {
    let all = (1u32 << program.len()) - 1;
    let needs: Vec<u32> = (0..program.len())
        .map(|b| {
            (0..b)
                .filter(|&a| must_wait(program, a, b))
                .map(|a| 1 << a)
                .sum()
        })
        .collect();
    let mut best = vec![u32::MAX; all as usize + 1];
    best[0] = 0;
    for done in 0..=all {
        if best[done as usize] == u32::MAX {
            continue;
        }
        let ready: u32 = (0..program.len())
            .filter(|&step| done >> step & 1 == 0 && needs[step] & !done == 0)
            .map(|step| 1 << step)
            .sum();
        let mut wave = ready;
        while wave != 0 {
            let next = (done | wave) as usize;
            best[next] = best[next].min(best[done as usize] + 1);
            wave = (wave - 1) & ready;
        }
    }
    best[all as usize]
}

/// The wave of each step.
fn waves(schedule: &Schedule) -> Vec<u32> {
    let mut waves = vec![u32::MAX; schedule.order.len()];
    let mut wave = 0;
    for (at, &step) in schedule.order.iter().enumerate() {
        while schedule.wave_ends[wave] as usize <= at {
            wave += 1;
        }
        waves[step as usize] = wave as u32;
    }
    assert!(
        waves.iter().all(|wave| *wave != u32::MAX),
        "each step runs once"
    );
    waves
}

fn keeps_every_hazard(program: &[Owned], waves: &[u32]) -> Result<(), TestCaseError> {
    for b in 0..program.len() {
        for a in 0..b {
            if must_wait(program, a, b) {
                prop_assert!(
                    waves[a] < waves[b],
                    "step {b} must wait for step {a}: {waves:?}"
                );
            }
        }
    }
    Ok(())
}

fn conflicts(program: &[Owned]) -> Conflicts<'_> {
    Conflicts::new(program.iter().map(Owned::step).collect())
}

fn costs(program: &[Owned]) -> Vec<f64> {
    let cost = |step: &Owned| {
        step.accesses
            .iter()
            .map(|access| access.range.len() as f64)
            .sum()
    };
    program.iter().map(cost).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_free_schedule_has_as_few_waves_as_brute_force_finds(program in program(9)) {
        let conflicts = conflicts(&program);
        let schedule = Schedule::new(&conflicts, Reorder::Free, &costs(&program));
        keeps_every_hazard(&program, &waves(&schedule))?;
        prop_assert_eq!(schedule.waves(), fewest_waves(&program));
    }

    #[test]
    fn a_free_schedule_has_as_many_waves_as_the_longest_chain(program in program(60)) {
        let conflicts = conflicts(&program);
        let Conflicts { dag, .. } = &conflicts;
        prop_assert_eq!(dag.longest, longest_chain(&program));
        let schedule = Schedule::new(&conflicts, Reorder::Free, &costs(&program));
        keeps_every_hazard(&program, &waves(&schedule))?;
        prop_assert_eq!(schedule.waves(), dag.longest);
        let path = dag.critical_path();
        prop_assert_eq!(path.len() as u32, dag.longest);
        for pair in path.windows(2) {
            prop_assert!(must_wait(&program, pair[0] as usize, pair[1] as usize));
        }
    }

    #[test]
    fn other_orders_keep_every_hazard_and_need_no_fewer_waves(program in program(60), window in 1..70u32) {
        let conflicts = conflicts(&program);
        let longest = longest_chain(&program);
        let window = Reorder::Window(window.try_into().unwrap());
        for reorder in [Reorder::Never, window, Reorder::Serial] {
            let schedule = Schedule::new(&conflicts, reorder, &costs(&program));
            keeps_every_hazard(&program, &waves(&schedule))?;
            prop_assert!(schedule.waves() >= longest);
            if let Reorder::Never | Reorder::Serial = reorder {
                prop_assert!(schedule.order.is_sorted(), "program order is kept");
            }
            if reorder == Reorder::Serial {
                prop_assert_eq!(schedule.waves() as usize, program.len());
            }
        }
    }

    #[test]
    fn each_node_waits_for_one_of_the_wave_before(program in program(60)) {
        let conflicts = conflicts(&program);
        for reorder in [Reorder::Free, Reorder::Never, Reorder::Window(64.try_into().unwrap())] {
            let schedule = Schedule::new(&conflicts, reorder, &costs(&program));
            let waves = waves(&schedule);
            let mut explained = vec![false; schedule.waves() as usize];
            for (step, before) in schedule.waits.iter().enumerate() {
                if let Some(before) = *before {
                    let before = before as usize;
                    prop_assert_eq!(waves[before] + 1, waves[step]);
                    // A fence or a node of unknown access orders more than what it stands beside.
                    explained[waves[step] as usize] = true;
                }
            }
            let explained = explained.iter().skip(1).all(|explained| *explained);
            prop_assert!(explained, "every barrier has a cause");
        }
    }
}

/// Reads of everything between disjoint writes: every pair conflicts, which a list of edges would not survive.
#[test]
fn hundred_thousand_nodes_are_planned_in_less_than_a_second() {
    let nodes = 100_000u64;
    let programs: [Vec<Owned>; 2] = [
        (0..nodes)
            .map(|node| {
                let whole = ByteRange::new(0, 64 * nodes);
                let own = ByteRange::new(64 * node, 64 * node + 64);
                let (range, access) = match node < nodes / 2 {
                    true => (own, Access::Write),
                    false => (whole, Access::Read),
                };
                let accesses = vec![RangeAccess {
                    allocation: AllocationId::new(0),
                    range,
                    access,
                }];
                Owned {
                    accesses,
                    unknown: false,
                    fence: false,
                }
            })
            .collect(),
        (0..nodes)
            .map(|node| {
                let touch = |allocation: u64, access| RangeAccess {
                    allocation: AllocationId::new(allocation as u32),
                    range: ByteRange::new(node % 7 * 16, node % 7 * 16 + 64),
                    access,
                };
                let accesses = vec![
                    touch(node % 1000, Access::Read),
                    touch(node * 7 % 1000, Access::Read),
                    touch(node * 13 % 1000, Access::ReadWrite),
                ];
                Owned {
                    accesses,
                    unknown: false,
                    fence: false,
                }
            })
            .collect(),
    ];
    for (program, depth) in programs.iter().zip([Some(2), None]) {
        let started = std::time::Instant::now();
        let conflicts = conflicts(program);
        let schedule = Schedule::new(&conflicts, Reorder::Free, &costs(program));
        let took = started.elapsed();
        if let Some(depth) = depth {
            assert_eq!(schedule.waves(), depth);
        }
        // Generous: test machines are shared. Quadratic work would take minutes.
        assert!(took.as_secs() < 10, "planning took {took:?}");
    }
}
