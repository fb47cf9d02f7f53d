//! What the device did: submissions, waves, dispatches.

use std::io::{self, Write};

use serde::Serialize;

use crate::analysis::Rate;
use crate::lanes::assign;
use crate::trace_event::DEVICE;
use crate::trace_event::event::{Events, FlowEnd, Names, rounded};
use crate::waves::waves;
use crate::{Dispatch, Fused, Profile, Submission};

#[derive(Serialize)]
struct OfSubmission {
    submission: u64,
    dispatches: usize,
    failed: bool,
}

#[derive(Serialize)]
struct OfWave<'a> {
    submission: u64,
    wave: u32,
    dispatches: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    barrier: Option<&'a str>,
    /// Since everything in front of the barrier ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ns: Option<u64>,
}

#[derive(Serialize)]
struct OfDispatch<'a> {
    kernel: &'a str,
    op: &'a str,
    scope: String,
    submission: u64,
    wave: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fused: Option<&'a Fused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barrier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barrier_cause: Option<&'a str>,
    bytes_read: u64,
    bytes_written: u64,
    operations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gigabytes_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gigaflops: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent_of_peak: Option<f64>,
}

pub(super) fn write<W: Write>(
    profile: &Profile,
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    submissions(profile, names, events)?;
    waves_of_all(profile, names, events)?;
    dispatches(profile, names, events)
}

fn submissions<W: Write>(
    profile: &Profile,
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    let times = profile.submissions.iter().map(|s| (s.start_ns, s.end_ns));
    for (submission, lane) in profile.submissions.iter().zip(assign(times)) {
        let track = names.track(events, DEVICE, "submissions", lane)?;
        let args = OfSubmission {
            submission: submission.number,
            dispatches: submission.dispatches.len(),
            failed: submission.failed,
        };
        let times = (submission.start_ns, submission.end_ns);
        events.complete(track, times, "submission", &submission.label, args)?;
        events.flow(FlowEnd::To, track, submission.start_ns, submission.number)?;
    }
    Ok(())
}

fn waves_of_all<W: Write>(
    profile: &Profile,
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    let all = || {
        profile
            .submissions
            .iter()
            .flat_map(|s| waves(s).map(move |wave| (s, wave)))
    };
    let times = all().map(|(_, wave)| (wave.start_ns, wave.end_ns));
    for ((submission, wave), lane) in all().zip(assign(times)) {
        let cause = wave.barrier.and_then(|at| profile.causes.get(at as usize));
        let args = OfWave {
            submission: submission.number,
            wave: wave.number,
            dispatches: wave.dispatches.len(),
            barrier: cause.map(|cause| &*cause.kind),
            waited_ns: cause.map(|_| wave.waited_ns),
        };
        let track = names.track(events, DEVICE, "waves", lane)?;
        let name = format!("wave {}", wave.number);
        events.complete(track, (wave.start_ns, wave.end_ns), "wave", &name, args)?;
    }
    Ok(())
}

fn dispatches<W: Write>(
    profile: &Profile,
    names: &mut Names,
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    let all = || {
        profile
            .submissions
            .iter()
            .flat_map(|s| s.dispatches.iter().map(move |d| (s, d)))
    };
    let times = all().map(|(_, dispatch)| (dispatch.start_ns, dispatch.end_ns));
    for ((submission, dispatch), lane) in all().zip(assign(times)) {
        let track = names.track(events, DEVICE, "dispatches", lane)?;
        let args = OfDispatch::of(profile, submission, dispatch);
        let times = (dispatch.start_ns, dispatch.end_ns);
        events.complete(track, times, args.op, args.kernel, &args)?;
    }
    Ok(())
}

impl<'a> OfDispatch<'a> {
    fn of(profile: &'a Profile, submission: &Submission, dispatch: &Dispatch) -> OfDispatch<'a> {
        let kernel = profile.kernels.get(dispatch.kernel as usize);
        let scope = profile.scopes.get(dispatch.scope as usize);
        let cause = dispatch
            .barrier
            .and_then(|at| profile.causes.get(at as usize));
        let rate = Rate::of(dispatch, profile.peaks.as_ref());
        OfDispatch {
            kernel: kernel.map_or("?", |kernel| &kernel.name),
            op: kernel.map_or("?", |kernel| &kernel.op),
            scope: scope.map(|labels| labels.join(" / ")).unwrap_or_default(),
            submission: submission.number,
            wave: dispatch.wave,
            node: dispatch.node,
            fused: dispatch.fused.and_then(|at| profile.fused.get(at as usize)),
            barrier: cause.map(|cause| &*cause.kind),
            barrier_cause: cause.map(|cause| &*cause.text),
            bytes_read: dispatch.read,
            bytes_written: dispatch.written,
            operations: dispatch.operations,
            gigabytes_per_second: rate.gb_s.map(rounded),
            gigaflops: rate.gflop_s.map(rounded),
            percent_of_peak: rate.peak_share.map(|share| rounded(share * 100.0)),
        }
    }
}
