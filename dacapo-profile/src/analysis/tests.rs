use proptest::prelude::*;

use super::*;
use crate::profile::{Dispatch, Level, Span};
use crate::samples::{MATVEC, PEAKS, ROPE, dispatch, empty, span, submission, two_steps};

fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
    let found = rows.iter().find(|row| row.name == name);
    found.unwrap_or_else(|| panic!("{name} in {rows:?}"))
}

#[test]
fn times_of_a_small_profile_are_those_computed_by_hand() {
    let analysis = Analysis::of(&two_steps());
    let whole = analysis.whole;
    assert_eq!((whole.start_ns, whole.end_ns), (0, 1000));
    assert_eq!((whole.device_ns, whole.gaps_ns), (500, 100));
    assert_eq!((whole.before_ns, whole.after_ns), (100, 300));

    let decode = analysis.label("decode").expect("a section");
    let sums = Sums {
        device_ns: 400,
        busy_ns: 150 + 190,
        barrier_wait_ns: 20,
        wave_wait_ns: 10,
        head_ns: 10,
        tail_ns: 20,
        unresolved_ns: 0,
    };
    assert_eq!(decode.sums, sums);
    // The second begins at 280, but the device is at the first until 300.
    assert_eq!(decode.device_ns, Spread::of([200, 200]));
    assert_eq!(decode.interval_ns, Spread::of([200]));
    assert_eq!(decode.encode_ns, Spread::of([40, 30]));
    assert_eq!(decode.commit_to_start_ns, Spread::of([50, 190]));
    assert_eq!(decode.end_to_seen_ns, Spread::of([20, 5]));
    assert_eq!(decode.dispatches, Spread::of([4, 3]));
    assert_eq!(decode.waves, Spread::of([2, 2]));
    // 170 - 150 and 280 - 250; 0 and 500 - 450.
    assert_eq!(decode.imbalance_ns, 20 + 30 + 50);

    let prefill = analysis.label("prefill").expect("a section");
    assert_eq!(prefill.sums.unresolved_ns, 100);
    assert_eq!(prefill.interval_ns.count, 0);
    assert!(prefill.ops.is_empty() && prefill.path.is_none());
    assert_eq!(analysis.all.device_ns, Spread::of([200, 200, 100]));
}

#[test]
fn dispatches_that_overlap_share_the_time() {
    let analysis = Analysis::of(&two_steps());
    let decode = analysis.label("decode").expect("a section");
    // 20 + 20/2; 20/2 + 20; 10 + 50/2; 50/2 + 30; then 100, 50 and 40, of which the first begins before its submission.
    let (matvec, rope, add) = (30 + 55 + 100 + 40, 30 + 50, 35);
    assert_eq!(row(&decode.kernels, "matvec").attributed_ns, matvec);
    assert_eq!(row(&decode.kernels, "rope").attributed_ns, rope);
    let durations = Spread::of([40, 80, 110, 40]);
    assert_eq!(row(&decode.kernels, "matvec").duration_ns, durations);
    let order: Vec<&str> = decode.ops.iter().map(|row| row.name.as_str()).collect();
    let expected = [
        "matrix vector product",
        "rotary embedding",
        "residual add, rms norm",
    ];
    assert_eq!(order, expected);
    let fused = row(&decode.ops, "residual add, rms norm");
    assert_eq!(fused.attributed_ns, add);
    assert_eq!(fused.share, 35.0 / 400.0);
    assert_eq!(fused.stands_for.len(), 1);
    assert_eq!(fused.stands_for[0].ops, ["residual add", "rms norm"]);
    assert_eq!(fused.stands_for[0].count, 1);

    let layers = |rows: &[Row]| -> Vec<(String, u64)> {
        let rows = rows.iter();
        rows.map(|row| (row.name.clone(), row.attributed_ns))
            .collect()
    };
    let outside = 30 + 30 + 190;
    assert_eq!(
        layers(&decode.layers),
        [(String::new(), outside), ("layer 0".to_owned(), 90)]
    );
    assert_eq!(
        layers(&decode.scopes)[1..],
        [
            ("layer 0".to_owned(), 35),
            ("layer 0 / attention".to_owned(), 55)
        ]
    );
}

#[test]
fn waits_have_their_cause_and_neighbours() {
    let analysis = Analysis::of(&two_steps());
    let decode = analysis.label("decode").expect("a section");
    assert_eq!(decode.barriers.len(), 1);
    let wait = &decode.barriers[0];
    assert_eq!(wait.cause, "read_after_write");
    assert_eq!(wait.before, "rotary embedding");
    assert_eq!(wait.after, "residual add, rms norm");
    assert_eq!(wait.wait_ns, Spread::of([20]));
    assert_eq!(wait.example, "read after write with dispatch 0");
}

#[test]
fn the_critical_path_goes_through_what_ended_last() {
    let analysis = Analysis::of(&two_steps());
    let decode = analysis.label("decode").expect("a section");
    let path = decode.path.as_ref().expect("a path");
    // Both took 200: the first of them is in the middle.
    assert_eq!(path.submission, 0);
    let expected = [
        PathStep {
            wave: 0,
            dispatch: 1,
            wait_ns: 30,
            run_ns: 40,
        },
        PathStep {
            wave: 1,
            dispatch: 3,
            wait_ns: 30,
            run_ns: 80,
        },
    ];
    assert_eq!(path.steps, expected);
    // The second's path: 300 to 400, 400 to 500 with a wait of 60.
    let matvec = &decode.critical[0];
    assert_eq!(matvec.op, "matrix vector product");
    assert_eq!(matvec.wait_ns, Spread::of([30, 0, 60]));
    assert_eq!(matvec.run_ns, Spread::of([80, 100, 40]));
    let total: u64 = decode.critical.iter().map(path_time).sum();
    assert_eq!(total, 400 - decode.sums.tail_ns);
}

fn path_time(row: &PathRow) -> u64 {
    row.wait_ns.total + row.run_ns.total
}

#[test]
fn gaps_say_what_the_host_did() {
    let analysis = Analysis::of(&two_steps());
    let ends: Vec<_> = analysis
        .gaps
        .iter()
        .map(|it| (it.after, it.before))
        .collect();
    assert_eq!(ends, [(None, Some(0)), (Some(1), Some(2)), (Some(2), None)]);
    let gap = &analysis.gaps[1];
    assert_eq!((gap.start_ns, gap.end_ns), (500, 600));
    assert_eq!((gap.uncommitted_ns, gap.committed_ns), (60, 40));
    let doing: Vec<_> = gap.doing.iter().map(|it| (&*it.name, it.time_ns)).collect();
    assert_eq!(doing, [("encode", 50), ("wait", 50)]);
    assert_eq!(gap.nothing_noted_ns, 30);

    assert_eq!(analysis.gap_rows.len(), 1);
    let row = &analysis.gap_rows[0];
    assert_eq!((&*row.after, &*row.before), ("decode", "prefill"));
    assert_eq!(row.length_ns, Spread::of([100]));
    assert_eq!(row.nothing_noted_ns, 30);
}

/// One submission whose only dispatch does this much in so long.
fn one(read: u64, operations: u64, time: u64) -> Analysis {
    let mut profile = empty(time);
    profile.peaks = Some(PEAKS);
    let dispatch = Dispatch {
        read,
        operations,
        ..dispatch(MATVEC, 0, 0, time)
    };
    profile.submissions = vec![submission("a", [0, 0, 0, time, time], vec![dispatch])];
    Analysis::of(&profile)
}

#[test]
fn bounds_follow_the_stated_rule() {
    let bound = |read, operations, time| one(read, operations, time).all.kernels[0].bound;
    // Peaks: 2 bytes and 10 operations in a nanosecond; an empty dispatch with its barrier takes 5.
    assert_eq!(bound(1600, 0, 1000), Some(Bound::Bandwidth));
    assert_eq!(bound(1600, 9000, 1000), Some(Bound::Compute));
    assert_eq!(
        bound(18, 0, 10),
        Some(Bound::Bandwidth),
        "short, but near the peak"
    );
    assert_eq!(bound(2, 0, 10), Some(Bound::Launch));
    assert_eq!(bound(0, 0, 10), Some(Bound::Launch));
    assert_eq!(bound(2, 0, 11), Some(Bound::Latency));
    assert_eq!(bound(500, 0, 1000), Some(Bound::Bandwidth));
    assert_eq!(bound(499, 0, 1000), Some(Bound::Latency));
    assert_eq!(bound(0, 2500, 1000), Some(Bound::Compute));
    assert_eq!(bound(0, 1, 1000), Some(Bound::Latency));
    assert_eq!(bound(0, 0, 1000), None);
}

#[test]
fn rates_are_those_of_the_peaks() {
    let analysis = one(1000, 4000, 1000);
    let rate = analysis.all.kernels[0].rate;
    assert_eq!((rate.gb_s, rate.gflop_s), (Some(1.0), Some(4.0)));
    assert_eq!(rate.bandwidth_share, Some(0.5));
    assert_eq!(rate.compute_share, Some(0.4));
    assert_eq!(rate.peak_share, Some(0.5));
    assert_eq!(rate.least_ns, Some(500));
    assert_eq!(analysis.all.bound, Some(Bound::Bandwidth));
}

#[test]
fn a_whole_is_bound_by_what_takes_most() {
    let mut profile = two_steps();
    let bound = |profile: &Profile, label| Analysis::of(profile).label(label).expect("it").bound;
    assert_eq!(bound(&profile, "decode"), None, "without peaks");
    // The device is idle as long as it is at the submission of which nothing else is known.
    assert_eq!(bound(&profile, "prefill"), Some(Bound::Host));
    profile.submissions[2].end_ns += 1;
    assert_eq!(bound(&profile, "prefill"), None);

    let mut waits = empty(100);
    let dispatches = vec![dispatch(ROPE, 0, 0, 20), dispatch(ROPE, 1, 80, 100)];
    waits.submissions = vec![submission("a", [0, 0, 0, 100, 100], dispatches)];
    assert_eq!(bound(&waits, "a"), Some(Bound::BarrierWait));
}

#[test]
fn a_profile_of_nothing_is_nothing() {
    let analysis = Analysis::of(&empty(50));
    assert_eq!(analysis.whole.before_ns, 50);
    assert_eq!(analysis.all.sums, Sums::default());
    assert!(analysis.labels.is_empty() && analysis.gap_rows.is_empty());
    assert_eq!(analysis.whole.bound, None);
}

/// A nanosecond of the recording, as one would judge it by looking.
#[derive(Default)]
struct ByEye {
    device: u64,
    busy: u64,
    gaps: u64,
}

/// Judges every nanosecond by itself. The device is at the first submission, in order, of those that run then.
fn by_eye(profile: &Profile, attributed: &mut [Vec<f64>]) -> ByEye {
    let mut seen = ByEye::default();
    let end = profile.submissions.iter().map(|it| it.end_ns);
    for now in 0..end.fold(profile.end_ns, u64::max) {
        let runs = |start: u64, end: u64| start <= now && now < end;
        let mut submissions = profile.submissions.iter().enumerate();
        let Some((at, submission)) = submissions.find(|(_, it)| runs(it.start_ns, it.end_ns))
        else {
            seen.gaps += 1;
            continue;
        };
        seen.device += 1;
        let dispatches = submission.dispatches.iter().enumerate();
        let running = dispatches.filter(|(_, it)| runs(it.start_ns, it.end_ns));
        let running: Vec<usize> = running.map(|(index, _)| index).collect();
        seen.busy += u64::from(!running.is_empty());
        for &index in &running {
            attributed[at][index] += 1.0 / running.len() as f64;
        }
    }
    seen
}

fn profiles() -> impl Strategy<Value = Profile> {
    let dispatch = (0..3u32, 0..3u32, 0..4u32, 0..120u64, 0..30u64).prop_map(
        |(kernel, scope, wave, start, length)| Dispatch {
            scope,
            ..dispatch(kernel, wave, start, start + length)
        },
    );
    let dispatches = proptest::collection::vec(dispatch, 0..12);
    // Starts and ends of a queue's submissions are in order, as the device is.
    let any = ("[ab]", 0..40u64, 0..60u64, 0..200u64, dispatches);
    let submissions = proptest::collection::vec(any, 0..6).prop_map(|all| {
        let (mut earliest, mut latest) = (0, 0);
        let all = all
            .into_iter()
            .map(|(label, later, length, committed, dispatches)| {
                let start = earliest + later;
                let end = latest.max(start) + length;
                (earliest, latest) = (start, end);
                submission(&label, [0, committed, start, end, end], dispatches)
            });
        all.collect::<Vec<_>>()
    });
    let span = ("[xyz]", 0..200u64, 0..50u64)
        .prop_map(|(name, start, length)| span(&name, "t", start, start + length));
    let spans = proptest::collection::vec(span, 0..8);
    (submissions, spans, 0..300u64).prop_map(|(submissions, spans, end)| Profile {
        submissions,
        spans,
        level: Level::Dispatches,
        ..empty(end)
    })
}

proptest! {
    #[test]
    fn parts_add_up_to_the_whole(profile in profiles()) {
        let analysis = Analysis::of(&profile);
        let whole = analysis.whole;
        prop_assert_eq!(
            whole.device_ns + whole.gaps_ns + whole.before_ns + whole.after_ns,
            whole.end_ns - whole.start_ns
        );
        for section in analysis.labels.iter().chain([&analysis.all]) {
            let sums = section.sums;
            prop_assert_eq!(
                sums.busy_ns + sums.barrier_wait_ns + sums.wave_wait_ns + sums.head_ns
                    + sums.tail_ns + sums.unresolved_ns,
                sums.device_ns
            );
            prop_assert_eq!(section.device_ns.total, sums.device_ns);
            for table in [&section.ops, &section.kernels, &section.layers, &section.scopes, &section.parts] {
                let attributed: u64 = table.iter().map(|row| row.attributed_ns).sum();
                prop_assert_eq!(attributed, sums.busy_ns);
            }
            let waits: u64 = section.barriers.iter().map(|row| row.wait_ns.total).sum();
            prop_assert_eq!(waits, sums.barrier_wait_ns);
            let bounds = section.bounds;
            prop_assert_eq!(
                bounds.launch_ns + bounds.barrier_wait_ns + bounds.unknown_ns,
                sums.device_ns
            );
        }
        for gap in &analysis.gaps {
            prop_assert_eq!(gap.uncommitted_ns + gap.committed_ns, gap.end_ns - gap.start_ns);
        }
        let labels: u64 = analysis.labels.iter().map(|it| it.sums.device_ns).sum();
        prop_assert_eq!(labels, whole.device_ns);
    }

    #[test]
    fn attribution_is_what_one_sees(profile in profiles()) {
        let periods = Periods::of(&profile);
        let zeros = profile.submissions.iter().map(|it| vec![0.0; it.dispatches.len()]);
        let mut expected: Vec<Vec<f64>> = zeros.collect();
        let seen = by_eye(&profile, &mut expected);
        let analysis = Analysis::of(&profile);
        prop_assert_eq!(seen.device, analysis.whole.device_ns);
        prop_assert_eq!(seen.busy, analysis.all.sums.busy_ns);
        let whole = analysis.whole;
        prop_assert_eq!(seen.gaps, whole.gaps_ns + whole.before_ns + whole.after_ns);
        for (index, submission) in profile.submissions.iter().enumerate() {
            let found = Attribution::of(&submission.dispatches, periods.submissions[index]);
            for (found, expected) in found.dispatches.iter().zip(&expected[index]) {
                prop_assert!((*found as f64 - expected).abs() < 1.0 + 1e-9);
            }
        }
    }

    #[test]
    fn what_the_host_did_is_what_one_sees(profile in profiles()) {
        let analysis = Analysis::of(&profile);
        for gap in &analysis.gaps {
            let covered = |fits: &dyn Fn(&Span) -> bool| -> u64 {
                let moments = gap.start_ns..gap.end_ns;
                let in_span = |now: &u64| {
                    profile.spans.iter().any(|it| fits(it) && it.start_ns <= *now && *now < it.end_ns)
                };
                moments.filter(in_span).count() as u64
            };
            for name in ["x", "y", "z"] {
                let found = gap.doing.iter().find(|it| it.name == name);
                prop_assert_eq!(found.map_or(0, |it| it.time_ns), covered(&|it| it.name == name));
            }
            let noted = covered(&|_| true);
            prop_assert_eq!(gap.nothing_noted_ns, gap.end_ns - gap.start_ns - noted);
        }
    }

    #[test]
    fn the_critical_path_leaves_only_the_tail(profile in profiles()) {
        let periods = Periods::of(&profile);
        for (submission, period) in profile.submissions.iter().zip(&periods.submissions) {
            let steps = path::steps(&submission.dispatches, *period);
            let reached = steps.iter().fold(period.start, |at, step| at + step.wait_ns + step.run_ns);
            let ends = submission.dispatches.iter().map(|it| it.end_ns);
            let last = ends.fold(period.start, u64::max).min(period.end);
            prop_assert_eq!(reached, last);
        }
    }
}
