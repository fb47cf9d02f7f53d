//! The tracker against a flat list of everything that was recorded.

use proptest::prelude::*;

use super::{Access, AllocationId, Hazard, HazardKind, HazardTracker, RangeAccess};
use crate::ByteRange;

/// Keeps every access and compares with each.
#[derive(Default)]
struct Oracle {
    recorded: Vec<(u32, Option<RangeAccess>)>,
}

impl Oracle {
    /// All conflicts, as (kind, earlier dispatch, allocation, shared bytes), whatever their order.
    fn conflicts(&self, accesses: &[RangeAccess]) -> Vec<Hazard> {
        let mut found = Vec::new();
        for later in accesses.iter().filter(|access| !access.range.is_empty()) {
            for &(earlier, recorded) in &self.recorded {
                let mut add = |kind, overlap| {
                    found.push(Hazard {
                        kind,
                        earlier,
                        allocation: Some(later.allocation),
                        overlap,
                    });
                };
                let Some(recorded) = recorded else {
                    add(HazardKind::Unknown, later.range);
                    continue;
                };
                let start = recorded.range.start.max(later.range.start);
                let end = recorded.range.end.min(later.range.end);
                if recorded.allocation != later.allocation || start >= end {
                    continue;
                }
                let overlap = ByteRange::new(start, end);
                if later.access.reads() && recorded.access.writes() {
                    add(HazardKind::ReadAfterWrite, overlap);
                }
                if later.access.writes() && recorded.access.writes() {
                    add(HazardKind::WriteAfterWrite, overlap);
                }
                if later.access.writes() && recorded.access.reads() {
                    add(HazardKind::WriteAfterRead, overlap);
                }
            }
        }
        found
    }

    fn record(&mut self, dispatch: u32, accesses: &[RangeAccess]) {
        let touched = accesses.iter().filter(|access| !access.range.is_empty());
        self.recorded
            .extend(touched.map(|&access| (dispatch, Some(access))));
    }
}

/// The promise of [`HazardTracker::check`]: the first kind in order, its latest dispatch, real bytes.
fn assert_agrees(found: Option<Hazard>, all: &[Hazard]) {
    let order = [
        HazardKind::Unknown,
        HazardKind::ReadAfterWrite,
        HazardKind::WriteAfterWrite,
        HazardKind::WriteAfterRead,
    ];
    let kind = order
        .into_iter()
        .find(|&kind| all.iter().any(|hazard| hazard.kind == kind));
    assert_eq!(
        found.map(|hazard| hazard.kind),
        kind,
        "{found:?} of {all:?}"
    );
    let Some(found) = found else { return };
    let of_kind = all.iter().filter(|hazard| Some(hazard.kind) == kind);
    let latest = of_kind.clone().map(|hazard| hazard.earlier).max();
    assert_eq!(Some(found.earlier), latest, "{found:?} of {all:?}");
    assert!(!found.overlap.is_empty());
    assert!(
        of_kind
            .filter(|hazard| hazard.earlier == found.earlier)
            .any(|hazard| hazard.allocation == found.allocation
                && hazard.overlap.start <= found.overlap.start
                && found.overlap.end <= hazard.overlap.end),
        "{found:?} of {all:?}"
    );
}

/// One step of a program that drives a tracker.
#[derive(Clone, Debug)]
enum Step {
    Dispatch(Vec<RangeAccess>),
    Unknown,
    Barrier,
}

fn any_access(allocations: u32, bytes: u64, longest: u64) -> impl Strategy<Value = RangeAccess> {
    let access = prop_oneof![
        Just(Access::Read),
        Just(Access::Write),
        Just(Access::ReadWrite)
    ];
    (0..allocations, 0..bytes, 0..=longest, access).prop_map(|(allocation, start, len, access)| {
        RangeAccess {
            allocation: AllocationId(allocation),
            range: ByteRange::new(start, start + len),
            access,
        }
    })
}

/// Programs over a few bytes, in which ranges often repeat, nest and touch, and over many, in which
/// maps grow to several chunks and lose them again to long ranges.
fn any_program() -> impl Strategy<Value = Vec<Step>> {
    let shapes = prop_oneof![
        Just((3, 24, 8, 40, 4)),
        Just((1, 400, 6, 400, 0)),
        Just((2, 4000, 5, 600, 0)),
        Just((1, 2000, 1500, 200, 1)),
    ];
    shapes.prop_flat_map(|(allocations, bytes, longest, steps, rare)| {
        let mostly_short = prop_oneof![
            30 => any_access(allocations, bytes, longest),
            1 => any_access(allocations, bytes, bytes),
        ];
        let step = prop_oneof![
            95 => prop::collection::vec(mostly_short, 0..4).prop_map(Step::Dispatch),
            rare => Just(Step::Unknown),
            rare => Just(Step::Barrier),
        ];
        prop::collection::vec(step, 1..steps)
    })
}

/// Runs a program; with `obey`, places a barrier wherever a conflict asks for one, as an encoder does.
fn run(tracker: &mut HazardTracker, program: &[Step], obey: bool) {
    let mut oracle = Oracle::default();
    for (dispatch, step) in program.iter().enumerate() {
        let dispatch = dispatch as u32;
        let found = match step {
            Step::Barrier => {
                tracker.barrier();
                oracle.recorded.clear();
                continue;
            }
            Step::Dispatch(accesses) => {
                let found = tracker.check(accesses);
                assert_agrees(found, &oracle.conflicts(accesses));
                found
            }
            Step::Unknown => {
                let found = tracker.check_unknown();
                assert_eq!(found.is_some(), !oracle.recorded.is_empty());
                assert_eq!(
                    found.map(|hazard| hazard.kind),
                    found.map(|_| HazardKind::Unknown)
                );
                found
            }
        };
        if obey && found.is_some() {
            tracker.barrier();
            oracle.recorded.clear();
        }
        match step {
            Step::Dispatch(accesses) => {
                tracker.record(dispatch, accesses);
                oracle.record(dispatch, accesses);
            }
            Step::Unknown => {
                tracker.record_unknown(dispatch);
                oracle.recorded.push((dispatch, None));
            }
            Step::Barrier => {}
        }
        tracker.assert_sound();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_random_program_agrees_with_the_list(program in any_program(), obey: bool) {
        run(&mut HazardTracker::new(), &program, obey);
    }

    #[test]
    fn a_reused_tracker_remembers_nothing(
        first in any_program(),
        second in any_program(),
        obey: bool,
    ) {
        let mut tracker = HazardTracker::new();
        run(&mut tracker, &first, obey);
        tracker.barrier();
        run(&mut tracker, &second, obey);
    }
}

fn access(allocation: u32, start: u64, end: u64, access: Access) -> RangeAccess {
    RangeAccess {
        allocation: AllocationId(allocation),
        range: ByteRange::new(start, end),
        access,
    }
}

#[test]
fn accesses_of_one_dispatch_do_not_conflict() {
    let mut tracker = HazardTracker::new();
    let in_place = [
        access(0, 0, 64, Access::Read),
        access(0, 32, 96, Access::Write),
    ];
    assert_eq!(tracker.check(&in_place), None);
    tracker.record(0, &in_place);
    let again = tracker
        .check(&in_place)
        .expect("it reads what it wrote before");
    assert_eq!(again.kind, HazardKind::ReadAfterWrite);
    assert_eq!(again.overlap, ByteRange::new(32, 64));
}

#[test]
fn the_last_byte_of_the_address_space_counts() {
    let mut tracker = HazardTracker::new();
    let end = u64::MAX;
    for start in [end - 8, end - 4, end - 1] {
        tracker.record(0, &[access(0, start, end, Access::Write)]);
    }
    tracker.record(1, &[access(0, 0, 4, Access::Write)]);
    assert!(
        tracker
            .check(&[access(0, end - 1, end, Access::Read)])
            .is_some()
    );
    assert!(
        tracker
            .check(&[access(0, 4, end - 8, Access::Read)])
            .is_none()
    );
}

#[test]
fn an_unknown_dispatch_meets_everything_and_everything_meets_it() {
    let mut tracker = HazardTracker::new();
    assert_eq!(tracker.check_unknown(), None);
    tracker.record(3, &[access(1, 8, 8, Access::Write)]);
    assert_eq!(
        tracker.check_unknown(),
        None,
        "an empty range touches nothing"
    );

    let read = access(1, 8, 16, Access::Read);
    tracker.record(4, &[read]);
    let hazard = tracker.check_unknown().expect("a read may be overwritten");
    assert_eq!(
        (hazard.earlier, hazard.allocation),
        (4, Some(read.allocation))
    );
    assert_eq!(hazard.overlap, read.range);

    tracker.record_unknown(5);
    let hazard = tracker
        .check(&[access(7, 1, 2, Access::Read)])
        .expect("unknown");
    assert_eq!((hazard.kind, hazard.earlier), (HazardKind::Unknown, 5));
    assert_eq!(hazard.overlap, ByteRange::new(1, 2));
    assert_eq!(tracker.check(&[]), None);
    assert_eq!(
        tracker.check_unknown().map(|hazard| hazard.allocation),
        Some(None)
    );

    tracker.barrier();
    assert_eq!(tracker.check_unknown(), None);
    assert_eq!(tracker.check(&[access(7, 1, 2, Access::Read)]), None);
}

/// Even slots of 16 bytes are written, odd ones read, in a scattered order; then every slot is asked.
#[test]
fn a_hundred_thousand_ranges_are_all_there() {
    const COUNT: u64 = 100_000;
    let slot = |index: u64| ByteRange::new(index * 16, index * 16 + 12);
    let mut tracker = HazardTracker::new();
    for dispatch in 0..COUNT {
        // 61,803 and 100,000 share no factor, so every slot comes once.
        let index = dispatch * 61_803 % COUNT;
        let range = slot(index);
        let kind = if index.is_multiple_of(2) {
            Access::Write
        } else {
            Access::Read
        };
        let fresh = [access(0, range.start, range.end, kind)];
        assert_eq!(tracker.check(&fresh), None);
        tracker.record(dispatch as u32, &fresh);
    }
    tracker.assert_sound();
    for dispatch in 0..COUNT {
        let index = dispatch * 61_803 % COUNT;
        let range = slot(index);
        let hazard = tracker
            .check(&[access(0, range.start + 11, range.end + 4, Access::Write)])
            .expect("every slot was touched");
        assert_eq!(hazard.earlier, dispatch as u32);
        assert_eq!(hazard.overlap, ByteRange::new(range.start + 11, range.end));
        assert_eq!(
            tracker.check(&[access(0, range.end, range.end + 4, Access::Write)]),
            None
        );
    }
    let all = access(0, 0, COUNT * 16, Access::ReadWrite);
    tracker.record(COUNT as u32, &[all]);
    tracker.assert_sound();
    let hazard = tracker.check(&[access(0, 800_000, 800_001, Access::Read)]);
    assert_eq!(hazard.map(|hazard| hazard.earlier), Some(COUNT as u32));
}
