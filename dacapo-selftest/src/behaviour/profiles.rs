//! What is noted of what ran.

use dacapo::{
    Bytes, CommandEncoder, Device, EncoderOptions, Error, Graph, Launch, PlanOptions, ProfileLevel,
    SubmissionTrace,
};
use dacapo_profile::{Analysis, Profile};

use super::kernels::{add, threads};
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel, stepped};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Profiles, name, run);
    vec![
        check("nothing is noted unless somebody asks", off),
        check("submissions are timed at their level", of_submissions),
        check(
            "dispatches are named and timed in their order",
            of_dispatches,
        ),
        check("launches are timed dispatch by dispatch", of_launches),
        check("a recorder gathers everything, and one at a time", recorder),
        check("longer work takes longer", longer),
        check("timing each dispatch changes nothing but time", distortion),
    ]
}

fn profiled(device: &Device, level: ProfileLevel) -> dacapo::Result<CommandEncoder> {
    device.encoder_with(EncoderOptions {
        label: "profiled",
        profile: level,
        ..EncoderOptions::default()
    })
}

/// What must hold of every trace.
fn consistent(trace: &SubmissionTrace) -> Verdict {
    ensure!(
        trace.opened <= trace.committed,
        "committed before it was opened: {trace:?}"
    );
    ensure!(
        trace.device.start <= trace.device.end,
        "ended before it began: {trace:?}"
    );
    ensure!(
        trace.device.end <= trace.completed,
        "seen complete before it ended: {trace:?}"
    );
    ensure!(!trace.failed, "said to have failed: {trace:?}");
    let mut wave = 0;
    let (mut floor, mut last) = (trace.device.start, trace.device.start);
    for (at, dispatch) in trace.dispatches.iter().enumerate() {
        ensure!(
            dispatch.start <= dispatch.end,
            "dispatch {at} ended before it began"
        );
        ensure!(
            dispatch.wave >= wave,
            "the wave of dispatch {at} is less than that before it"
        );
        if dispatch.wave > wave {
            (wave, floor) = (dispatch.wave, last);
        }
        ensure!(dispatch.start >= floor, "dispatch {at} overtook a barrier");
        last = last.max(dispatch.end);
    }
    ensure!(
        last <= trace.device.end,
        "a dispatch ended after its submission"
    );
    Ok(())
}

fn traced(submission: &dacapo::Submission) -> Result<std::sync::Arc<SubmissionTrace>, Flaw> {
    submission.wait()?;
    let trace = submission
        .trace()
        .ok_or_else(|| Flaw::failed("there is no trace"))?;
    consistent(&trace)?;
    Ok(trace)
}

fn off(bench: &Bench) -> Verdict {
    let (device, target) = (&bench.device, buffer(&bench.device, 4));
    let mut encoder = profiled(device, ProfileLevel::Off)?;
    encoder.fill(&target, 1)?;
    let submission = encoder.commit()?;
    submission.wait()?;
    ensure!(submission.trace().is_none(), "there is a trace");
    Ok(())
}

fn of_submissions(bench: &Bench) -> Verdict {
    let (device, target) = (&bench.device, buffer(&bench.device, 4));
    let step = step_kernel(device);
    let mut encoder = profiled(device, ProfileLevel::Submissions)?;
    for value in 0..10u32 {
        encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
    }
    let trace = traced(&encoder.commit()?)?;
    ensure_eq!(
        (&*trace.label, trace.level),
        ("profiled", ProfileLevel::Submissions),
        "the trace"
    );
    ensure_eq!(trace.dispatches.len(), 0, "dispatches that were noted");
    ensure_eq!(
        trace.counters.dispatches,
        10,
        "dispatches that were counted"
    );
    Ok(())
}

fn of_dispatches(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (add, step) = (add(device)?, step_kernel(device));
    let [x, y, z] = [(); 3].map(|()| buffer(device, 64));
    let mut encoder = profiled(device, ProfileLevel::Dispatches)?;
    {
        let mut layer = encoder.scope("layer 3");
        layer.dispatch(&add, (&x, &y, Bytes(&1u32)), threads(64))?;
        layer.dispatch(&step, (&z, Bytes(&1u32)), one())?;
        let mut inner = layer.scope("inner");
        inner.dispatch(&step, (&y, Bytes(&1u32)), one())?;
    }
    encoder.fill(&z, 0)?;
    let trace = traced(&encoder.commit()?)?;
    let found = trace.dispatches.iter();
    let found: Vec<_> = found
        .map(|it| (it.scopes.join("/"), it.kernel.to_string(), it.wave))
        .collect();
    let wanted = [
        ("layer 3", "add", 0),
        ("layer 3", "step", 0),
        ("layer 3/inner", "step", 1),
        ("", "fill", 1),
    ];
    let found: Vec<_> = found
        .iter()
        .map(|(scope, kernel, wave)| (&**scope, &**kernel, *wave))
        .collect();
    same("scopes, kernels and waves", &found, &wanted)
}

fn of_launches(bench: &Bench) -> Verdict {
    let (device, target) = (&bench.device, buffer(&bench.device, 4));
    let step = step_kernel(device);
    let graph = Graph::capture(device, |encoder| {
        (0..12u32).try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
    })?;
    let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    let levels = [
        ProfileLevel::Dispatches,
        ProfileLevel::Off,
        ProfileLevel::Dispatches,
        ProfileLevel::Submissions,
        ProfileLevel::Dispatches,
    ];
    let launches: Vec<_> = levels
        .into_iter()
        .map(|profile| {
            let launch = Launch {
                label: "timed",
                profile,
                ..Launch::default()
            };
            executable.launch_with(&launch)
        })
        .collect::<Result<_, _>>()?;
    for (level, launch) in levels.into_iter().zip(&launches) {
        if level == ProfileLevel::Off {
            launch.wait()?;
            ensure!(
                launch.trace().is_none(),
                "a trace of a launch that was not profiled"
            );
            continue;
        }
        let trace = traced(launch)?;
        let nodes: Vec<Option<u32>> = trace.dispatches.iter().map(|it| it.node).collect();
        let wanted: Vec<Option<u32>> = match level {
            ProfileLevel::Dispatches => (0..12).map(Some).collect(),
            _ => Vec::new(),
        };
        same("nodes", &nodes, &wanted)?;
    }
    let expected = (0..5).fold(0, |x, _| stepped(x, 0..12));
    same("the target", &target.read::<u32>()?, &[expected; 4])
}

fn recorder(bench: &Bench) -> Verdict {
    let (device, target) = (&bench.device, buffer(&bench.device, 4));
    let recorder = device.record(ProfileLevel::Dispatches)?;
    ensure_refused!(
        device.record(ProfileLevel::Submissions),
        Error::Recording,
        "a second recorder"
    );
    for round in 0..10u8 {
        let mut encoder = device.encoder("recorded")?;
        encoder.fill(&target, round)?;
        encoder.commit()?;
    }
    let trace = recorder.finish()?;
    ensure_eq!(trace.submissions.len(), 10, "submissions");
    for submission in &trace.submissions {
        consistent(submission)?;
        ensure_eq!(submission.dispatches.len(), 1, "dispatches of a submission");
        ensure!(
            trace.start <= submission.opened && submission.completed <= trace.end,
            "a submission lies outside of its recording"
        );
        let work = submission.dispatches[0].work;
        ensure_eq!(work.written, 16, "bytes that a fill writes");
    }
    let waits = trace.submissions.windows(2);
    let ordered = waits.filter(|it| it[0].number >= it[1].number).count();
    ensure_eq!(ordered, 0, "submissions out of their order");
    let profile = Profile::new("selftest", &trace);
    let read = Profile::from_json(profile.to_json()?.as_bytes())?;
    ensure_eq!(
        read.submissions.len(),
        10,
        "submissions of a profile that was saved and read"
    );
    let analysis = Analysis::of(&read);
    let section = analysis
        .label("recorded")
        .ok_or_else(|| Flaw::failed("no section"))?;
    ensure_eq!(section.device_ns.count, 10, "submissions in the analysis");
    Ok(())
}

fn longer(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let step = step_kernel(device);
    let lengths = match bench.is_interpreted() {
        true => [1u64 << 6, 1 << 16],
        false => [1 << 10, 1 << 20],
    };
    let targets = lengths.map(|len| buffer(device, len));
    let mut best = [f64::INFINITY; 2];
    // The machine may be busy with something else: the quickest counts.
    for _ in 0..bench.times(20, 8) {
        let mut encoder = profiled(device, ProfileLevel::Dispatches)?;
        // One after the other, the first of them to wake the device up.
        for target in [&targets[0], &targets[0], &targets[1]] {
            encoder.dispatch(&step, (target, Bytes(&1u32)), one())?;
            encoder.barrier();
        }
        let trace = traced(&encoder.commit()?)?;
        for (best, dispatch) in best.iter_mut().zip(&trace.dispatches[1..]) {
            *best = best.min((dispatch.end - dispatch.start).as_secs_f64());
        }
    }
    let [short, long] = best;
    ensure!(
        long > 0.0,
        "a dispatch over {} elements takes no time",
        lengths[1]
    );
    ensure!(
        long > short,
        "{} elements take {long:e} s, {} take {short:e} s",
        lengths[1],
        lengths[0]
    );
    Ok(())
}

fn distortion(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (add, step) = (add(device)?, step_kernel(device));
    let [x, y] = [buffer(device, 64), buffer(device, 64)];
    let mut results = Vec::new();
    for level in [
        ProfileLevel::Off,
        ProfileLevel::Submissions,
        ProfileLevel::Dispatches,
    ] {
        x.write(&[2u32; 64])?;
        let before = device.counters();
        let mut encoder = profiled(device, level)?;
        for value in 0..50u32 {
            encoder.dispatch(&add, (&x, &y, Bytes(&value)), threads(64))?;
            encoder.dispatch(&step, (&x, Bytes(&value)), one())?;
        }
        encoder.commit()?.wait()?;
        let counted = device.counters() - before;
        results.push((counted.dispatches, counted.barriers(), y.read::<u32>()?));
    }
    ensure!(
        results.iter().all(|it| *it == results[0]),
        "bytes, dispatches or barriers differ"
    );
    Ok(())
}
