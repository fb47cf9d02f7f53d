//! Timed dispatches: each in a pass of its own, and what happens when Metal has no room for times.

use std::sync::Arc;

use dacapo::{
    Bytes, Device, EncoderOptions, Graph, Grid, Launch, PlanOptions, ProfileLevel, Submission,
    SubmissionTrace, Timed,
};

use crate::common::{buffer, metal};
use crate::double::{alone, count, fail_next, live};
use crate::{Params, axpy};

/// Dispatches that one sample buffer has room for.
const OF_ONE_BUFFER: usize = 2048;

/// Adds ones to zeros, so many times.
fn sums(device: &Device, times: usize) -> (Submission, dacapo::Buffer) {
    let (x, y) = (buffer(device, 4), buffer(device, 4));
    x.write(&[1.0f32; 4]).unwrap();
    let kernel = axpy(device);
    let mut encoder = device
        .encoder_with(EncoderOptions {
            label: "sums",
            profile: ProfileLevel::Dispatches,
            ..EncoderOptions::default()
        })
        .unwrap();
    let params = Params { a: 1.0, n: 4 };
    for _ in 0..times {
        let args = (&x, &y, Bytes(&params));
        encoder
            .dispatch(&kernel, args, Grid::threads([4, 1, 1]))
            .unwrap();
    }
    (encoder.commit().unwrap(), y)
}

fn trace(submission: &Submission) -> Arc<SubmissionTrace> {
    submission.wait().unwrap();
    submission.trace().unwrap()
}

/// Runs so many dispatches; gives the passes that they took, and the trace.
fn run(device: &Device, times: usize) -> (u64, Arc<SubmissionTrace>) {
    let before = count(c"compute_encoders");
    let (submission, y) = sums(device, times);
    let trace = trace(&submission);
    assert_eq!(y.read::<f32>().unwrap(), [times as f32; 4]);
    (count(c"compute_encoders") - before, trace)
}

fn is_timed(trace: &SubmissionTrace, dispatches: usize) {
    assert_eq!(trace.level, ProfileLevel::Dispatches);
    assert_eq!(trace.timed, Timed::OnePassEach);
    assert_eq!(trace.dispatches.len(), dispatches);
    let mut last = trace.device.start;
    for dispatch in &trace.dispatches {
        assert!(last <= dispatch.start && dispatch.start <= dispatch.end);
        last = dispatch.end;
    }
    assert!(last <= trace.device.end);
}

fn is_untimed(trace: &SubmissionTrace, dispatches: usize) {
    assert_eq!(trace.level, ProfileLevel::Submissions);
    assert!(trace.dispatches.is_empty());
    assert_eq!(trace.counters.dispatches, dispatches as u64);
}

#[test]
fn each_timed_dispatch_has_a_pass_and_samples_are_given_back() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    for times in [1, 127, 128, 129, OF_ONE_BUFFER + 300, 5] {
        let (passes, trace) = run(&device, times);
        assert_eq!(passes, times as u64);
        is_timed(&trace, times);
    }
    device.wait_idle().unwrap();
    assert_eq!(live(c"MTLCounterSampleBuffer"), 1);
}

#[test]
fn where_there_is_no_room_for_times_nothing_is_timed_and_everything_runs() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    // From the first dispatch on: they share a pass.
    fail_next(c"counters", 1);
    let (passes, trace) = run(&device, 10);
    assert_eq!(passes, 1);
    is_untimed(&trace, 10);
    let (passes, trace) = run(&device, 10);
    assert_eq!(passes, 10);
    is_timed(&trace, 10);
    // In the middle: what comes then shares one.
    fail_next(c"counters", 1);
    let (passes, trace) = run(&device, OF_ONE_BUFFER + 10);
    assert_eq!(passes, OF_ONE_BUFFER as u64 + 1);
    is_untimed(&trace, OF_ONE_BUFFER + 10);
    let (_, trace) = run(&device, OF_ONE_BUFFER + 10);
    is_timed(&trace, OF_ONE_BUFFER + 10);
}

#[test]
fn launches_are_timed_again_after_one_that_was_not() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    let (x, y) = (buffer(&device, 4), buffer(&device, 4));
    let kernel = axpy(&device);
    let graph = Graph::capture(&device, |encoder| {
        let params = Params { a: 1.0, n: 4 };
        for _ in 0..3 {
            let args = (&x, &y, Bytes(&params));
            encoder.dispatch(&kernel, args, Grid::threads([4, 1, 1]))?;
        }
        Ok::<(), dacapo::Error>(())
    });
    let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
    let executable = plan.instantiate().unwrap();
    let launch = || {
        let launch = Launch {
            profile: ProfileLevel::Dispatches,
            ..Launch::default()
        };
        trace(&executable.launch_with(&launch).unwrap())
    };
    fail_next(c"counters", 1);
    is_untimed(&launch(), 3);
    is_timed(&launch(), 3);
    // Timed parts that are kept for the next launch hold no samples meanwhile.
    is_timed(&launch(), 3);
    assert_eq!(live(c"MTLCounterSampleBuffer"), 1);
}
