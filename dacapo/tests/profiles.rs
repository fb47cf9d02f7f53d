//! What is noted of submissions: durations that are known beforehand, names that survive whatever becomes of a dispatch,
//! and parts that add up to the whole.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dacapo::{
    Access, Backend, BarrierCause, Bytes, CommandEncoder, Device, EncoderOptions, Error,
    Executable, Graph, Grid, Kernel, KernelFault, KernelSource, Launch, PlanOptions, ProfileLevel,
    Split, Submission, SubmissionTrace, Update, Wgsl, Workgroup,
};

use dacapo_selftest::toys::{World, double, plus_one};

/// Spins for so many microseconds.
fn spin(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let (started, micros) = (Instant::now(), group.inline::<u32>());
    while started.elapsed() < Duration::from_micros(micros.into()) {
        core::hint::spin_loop();
    }
    // SAFETY: there is one workgroup.
    let data = unsafe { group.write::<u32>(0, 0..1) };
    data[0] = micros;
    Ok(())
}

/// As long as this many steps of a chain take.
const SPIN: &str = "
var<immediate> steps: u32;
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1) fn main() {
    var x = data[0];
    // Software devices cap the rounds of all loops together at 65,535.
    for (var i = 0u; i < steps; i += 1) {
        x ^= x << 13; x ^= x >> 17; x ^= x << 5;
        x ^= x << 7; x ^= x >> 11; x ^= x << 3;
        x ^= x << 15; x ^= x >> 9; x ^= x << 6;
        x ^= x << 1; x ^= x >> 14; x ^= x << 8;
        x ^= x << 12; x ^= x >> 19; x ^= x << 4;
        x ^= x << 2; x ^= x >> 10; x ^= x << 16;
        x ^= x << 9; x ^= x >> 21; x ^= x << 7;
        x ^= x << 3; x ^= x >> 13; x ^= x << 11;
        x ^= x << 6; x ^= x >> 18; x ^= x << 10;
        x ^= x << 14; x ^= x >> 5; x ^= x << 2;
        x ^= x << 8; x ^= x >> 23; x ^= x << 12;
        x ^= x << 4; x ^= x >> 15; x ^= x << 9;
    }
    data[0] = x;
}";

fn spinner(device: &Device) -> Kernel {
    let source = KernelSource::new("spin")
        .op("wait")
        .binding::<u32>(0, Access::ReadWrite)
        .inline::<u32>()
        .cpu(spin)
        .wgsl(Wgsl::new(SPIN));
    device.kernel(&source).unwrap()
}

fn profiled(device: &Device, label: &str, level: ProfileLevel) -> CommandEncoder {
    let options = EncoderOptions {
        label,
        profile: level,
        ..EncoderOptions::default()
    };
    device.encoder_with(options).unwrap()
}

fn trace(submission: &Submission) -> Arc<SubmissionTrace> {
    let trace = submission.trace().expect("it was profiled");
    consistent(&trace);
    trace
}

/// What must hold of every trace.
fn consistent(trace: &SubmissionTrace) {
    assert!(trace.opened <= trace.committed, "{trace:?}");
    assert!(trace.device.start <= trace.device.end, "{trace:?}");
    assert!(trace.device.end <= trace.completed, "{trace:?}");
    let mut wave = 0;
    let (mut floor, mut last) = (trace.device.start, trace.device.start);
    for dispatch in &trace.dispatches {
        assert!(dispatch.start <= dispatch.end);
        assert!(dispatch.wave >= wave);
        if dispatch.wave > wave {
            (wave, floor) = (dispatch.wave, last);
            assert!(dispatch.barrier.is_some());
        }
        assert!(dispatch.start >= floor, "a barrier was overtaken");
        last = last.max(dispatch.end);
    }
    assert!(last <= trace.device.end);
}

fn total(trace: &SubmissionTrace) -> Duration {
    let times = trace.dispatches.iter();
    times.map(|dispatch| dispatch.end - dispatch.start).sum()
}

/// Paths of scopes, kinds of operation and kernels.
fn names(trace: &SubmissionTrace) -> Vec<(String, String, String)> {
    let name = |dispatch: &dacapo::DispatchTrace| {
        let path = dispatch.scopes.join("/");
        (path, dispatch.op.to_string(), dispatch.kernel.to_string())
    };
    trace.dispatches.iter().map(name).collect()
}

#[test]
fn known_durations_come_out() {
    let device = common::device(2);
    let (kernel, data) = (spinner(&device), common::buffer(&device, 1));
    let micros = [300u32, 50, 1000, 5, 2000];
    let mut best = [Duration::MAX; 5];
    // The machine may be busy with something else: the quickest of a few counts.
    for _ in 0..20 {
        let mut encoder = profiled(&device, "spin", ProfileLevel::Dispatches);
        for micros in &micros {
            let args = (&data, Bytes(micros));
            encoder.dispatch(&kernel, args, common::one()).unwrap();
        }
        let trace = trace(&encoder.commit().unwrap());
        for (best, dispatch) in best.iter_mut().zip(&trace.dispatches) {
            *best = (*best).min(dispatch.end - dispatch.start);
        }
    }
    for (best, micros) in best.iter().zip(micros) {
        let wanted = Duration::from_micros(micros.into());
        let most = wanted.mul_f64(1.05) + Duration::from_micros(20);
        assert!((wanted..=most).contains(best), "{best:?} for {wanted:?}");
    }
}

/// A chain that is twice as long takes twice as long, and the device's times are those of the host's clock.
#[test]
fn durations_on_a_gpu_grow_with_the_work_and_agree_with_the_hosts_clock() {
    const TIMES: usize = 8;
    common::on_vulkan(|device| {
        let (kernel, data) = (spinner(&device), common::buffer(&device, 1));
        let steps = [15_000u32, 30_000, 60_000];
        let mut best = [Duration::MAX; 3];
        let mut quickest = f64::MAX;
        // Whatever a dispatch costs that does nothing is in all of them.
        let ratio = |best: [Duration; 3]| {
            let [one, two, four] = best.map(|time| time.as_secs_f64());
            (four - two) / (two - one)
        };
        let doubles = 1.8..2.2;
        // The machine may be busy with something else: the quickest counts.
        for _ in 0..100 {
            let mut encoder = profiled(&device, "spin", ProfileLevel::Dispatches);
            // So often that what a submission costs the host hardly counts.
            for steps in steps.iter().cycle().take(TIMES * steps.len()) {
                let args = (&data, Bytes(steps));
                encoder.dispatch(&kernel, args, common::one()).unwrap();
            }
            let before = Instant::now();
            let submission = encoder.commit().unwrap();
            submission.wait().unwrap();
            let waited = before.elapsed();
            let trace = trace(&submission);
            for (at, dispatch) in trace.dispatches.iter().enumerate() {
                let best = &mut best[at % steps.len()];
                *best = (*best).min(dispatch.end - dispatch.start);
            }
            let whole = trace.device.end - trace.device.start;
            assert!(whole <= waited, "{whole:?} of {waited:?}");
            quickest = quickest.min(waited.as_secs_f64() / total(&trace).as_secs_f64());
            if doubles.contains(&ratio(best)) && quickest < 1.1 {
                break;
            }
        }
        assert!(doubles.contains(&ratio(best)), "{best:?}");
        assert!(quickest < 1.1, "the host waited {quickest} times as long");
    });
}

#[test]
fn labels_and_kinds_survive_live_captured_planned_and_fused() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let device = &world.device;
        let encode = |encoder: &mut CommandEncoder| {
            let mut layer = encoder.scope("layer 3");
            {
                let mut attention = layer.scope("attention");
                double(&world, &mut attention, &world.x, &world.t)?;
            }
            let mut mlp = layer.scope("mlp");
            plus_one(&world, &mut mlp, &world.t, &world.y)?;
            mlp.discard(&world.t)
        };
        let expected = [
            ("layer 3/attention", "double", "double"),
            ("layer 3/mlp", "plus_one", "plus_one"),
        ];
        let expected = expected.map(|(path, op, kernel)| (path.into(), op.into(), kernel.into()));

        let mut live = profiled(device, "live", ProfileLevel::Dispatches);
        encode(&mut live).unwrap();
        let live = trace(&live.commit().unwrap());
        assert_eq!(names(&live), expected);
        assert_eq!((&*live.label, live.dispatches[1].wave), ("live", 1));
        assert!(matches!(
            live.dispatches[1].barrier,
            Some(BarrierCause::Hazard(_))
        ));

        let graph = Graph::capture(device, encode).unwrap();
        let fused = world.plan(encode);
        let recorder = device.record(ProfileLevel::Dispatches).unwrap();
        graph.replay("captured").unwrap();
        let plan = graph.plan(&PlanOptions::default()).unwrap();
        plan.replay_with("parts", Split { first: 1, rest: 1 })
            .unwrap();
        let planned = plan.instantiate().unwrap();
        planned.launch("planned").unwrap();
        fused.instantiate().unwrap().launch("fused").unwrap();
        let traces = recorder.finish().unwrap().submissions;
        let labels: Vec<&str> = traces.iter().map(|trace| &*trace.label).collect();
        assert_eq!(labels, ["captured", "parts", "planned", "fused"]);
        traces.iter().for_each(consistent);
        for unfused in &traces[..3] {
            assert_eq!(names(unfused), expected, "{}", unfused.label);
            assert_eq!(unfused.dispatches[1].wave, 1, "{}", unfused.label);
        }
        for planned in &traces[1..3] {
            let nodes: Vec<_> = planned.dispatches.iter().map(|it| it.node).collect();
            assert_eq!(nodes, [Some(0), Some(1)]);
        }
        let [one] = &traces[3].dispatches[..] else {
            panic!("{:?}", traces[3]);
        };
        let stands_for = one.fused.as_ref().unwrap().parts.iter();
        let ops: Vec<&str> = stands_for.map(|part| &*part.op).collect();
        assert_eq!(
            (&*one.op, ops),
            ("double_plus_one", vec!["double", "plus_one"])
        );
    });
}

#[test]
fn launches_in_flight_keep_their_own_times() {
    common::on_devices(2, |device| {
        let (kernel, data) = (spinner(&device), common::buffer(&device, 1));
        let steps: u32 = match device.info().backend {
            Backend::Cpu => 100,
            _ => 1000,
        };
        let other = common::buffer(&device, 1);
        let graph = Graph::capture(&device, |encoder| {
            for data in [&data, &other, &data] {
                let mut scope = encoder.scope("spin");
                scope.dispatch(&kernel, (data, Bytes(&steps)), common::one())?;
            }
            Ok::<(), Error>(())
        })
        .unwrap();
        let mut executable = graph
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate()
            .unwrap();
        let launch = |executable: &Executable, profile, value: u32| {
            let values = [value];
            let launch = Launch {
                label: "step",
                updates: &[Update::new(&data, &values)],
                profile,
                extent: Some(7),
                ..Launch::default()
            };
            executable.launch_with(&launch).unwrap()
        };
        let levels = [
            ProfileLevel::Dispatches,
            ProfileLevel::Off,
            ProfileLevel::Dispatches,
            ProfileLevel::Submissions,
            ProfileLevel::Dispatches,
        ];
        for round in 0..2 {
            let launches: Vec<_> = (0..)
                .zip(levels)
                .map(|(at, level)| (level, launch(&executable, level, at)))
                .collect();
            let mut end = Duration::ZERO;
            for (level, submission) in launches {
                if level == ProfileLevel::Off {
                    assert!(submission.trace().is_none());
                    continue;
                }
                let trace = trace(&submission);
                assert_eq!((trace.level, trace.number), (level, submission.number()));
                let wanted = if level == ProfileLevel::Dispatches {
                    3
                } else {
                    0
                };
                assert_eq!(trace.dispatches.len(), wanted, "round {round}");
                assert_eq!(
                    (trace.counters.dispatches, trace.counters.barriers()),
                    (3, 1)
                );
                assert!(
                    trace.device.start >= end,
                    "submissions run one after the other"
                );
                end = trace.device.end;
            }
            // Commands are recorded again, the timed ones too.
            let more = (2 * steps).to_ne_bytes();
            executable.set_inline(0, &more).unwrap();
        }
    });
}

#[test]
fn many_dispatches_are_all_there() {
    common::on_devices(2, |device| {
        // Metal has room for the times of 65,536 dispatches in a process.
        let count: u32 = match device.info().backend {
            Backend::Metal if cfg!(target_vendor = "apple") => 40_000,
            // Its double takes its time for each pass.
            Backend::Metal => 5_000,
            _ => 100_000,
        };
        let buffers = [(); 2].map(|()| common::buffer(&device, 16));
        let kernel = common::step_kernel(&device);
        let mut encoder = profiled(&device, "many", ProfileLevel::Dispatches);
        for at in 0..count {
            let args = (&buffers[at as usize % 2], Bytes(&at));
            encoder.dispatch(&kernel, args, common::one()).unwrap();
        }
        let trace = trace(&encoder.commit().unwrap());
        assert_eq!(trace.dispatches.len(), count as usize);
        assert_eq!(trace.counters.dispatches, u64::from(count));
        let last = trace.dispatches.last().unwrap();
        assert_eq!(last.wave, count / 2 - 1);
        assert!(total(&trace) > Duration::ZERO);
        let distinct: std::collections::BTreeSet<_> = trace
            .dispatches
            .iter()
            .map(|dispatch| dispatch.end)
            .collect();
        assert!(
            distinct.len() > count as usize / 4,
            "{} ends",
            distinct.len()
        );
    });
}

#[test]
fn threads_encode_into_one_recording() {
    common::on_devices(2, |device| {
        let recorder = device.record(ProfileLevel::Dispatches).unwrap();
        let again = device.record(ProfileLevel::Off).unwrap_err();
        assert!(matches!(again, Error::Recording));
        thread::scope(|scope| {
            for name in ["one", "two", "three"] {
                let device = &device;
                let work = move || {
                    let buffer = common::buffer(device, 16);
                    for times in 1..=5 {
                        let mut encoder = device.encoder(name).unwrap();
                        for _ in 0..times {
                            let mut scope = encoder.scope(name);
                            scope.fill(&buffer, times).unwrap();
                        }
                        encoder.commit().unwrap().wait().unwrap();
                    }
                };
                let thread = thread::Builder::new().name(name.to_owned());
                thread.spawn_scoped(scope, work).unwrap();
            }
        });
        let trace = recorder.finish().unwrap();
        let numbers: Vec<u64> = trace.submissions.iter().map(|it| it.number).collect();
        assert!(numbers.is_sorted() && numbers.len() == 15, "{numbers:?}");
        for name in ["one", "two", "three"] {
            let own = trace.submissions.iter().filter(|it| &*it.label == name);
            let counts: Vec<usize> = own
                .inspect(|it| consistent(it))
                .inspect(|it| {
                    assert!(
                        it.dispatches
                            .iter()
                            .all(|it| it.scopes[..] == [name.into()])
                    )
                })
                .map(|it| it.dispatches.len())
                .collect();
            assert_eq!(counts, [1, 2, 3, 4, 5]);
            let spans = trace.spans.iter().filter(|span| &*span.thread == name);
            let encodes = spans.clone().filter(|span| span.name == "encode");
            assert_eq!(encodes.clone().count(), 5);
            assert!(encodes.clone().all(|span| &*span.label == name));
            assert!(
                spans
                    .clone()
                    .all(|span| span.start <= span.end && span.end <= trace.end)
            );
        }
        assert_eq!(trace.counters.submissions, 15);
        let ends = trace.submissions.windows(2);
        assert!(
            ends.clone()
                .all(|pair| pair[0].device.end <= pair[1].device.start)
        );

        // What follows is not recorded, and another recording begins empty: without what was opened before, even if that
        // is noted for its own sake.
        let commit = |encoder: CommandEncoder| encoder.commit().unwrap();
        commit(device.encoder("later").unwrap()).wait().unwrap();
        let earlier = profiled(&device, "earlier", ProfileLevel::Dispatches);
        drop(device.record(ProfileLevel::Dispatches).unwrap());
        let recorder = device.record(ProfileLevel::Dispatches).unwrap();
        assert_eq!(&*crate::trace(&commit(earlier)).label, "earlier");
        let empty = recorder.finish().unwrap();
        assert!(empty.submissions.is_empty(), "{empty:?}");
        assert!(empty.spans.iter().all(|span| span.name == "wait"));
    });
}

#[test]
fn submissions_that_fail_say_so() {
    fn fails(_: &mut Workgroup<'_>) -> Result<(), KernelFault> {
        Err(KernelFault::new("on purpose"))
    }
    let device = common::device(2);
    let source = KernelSource::new("fails")
        .binding::<u32>(0, Access::ReadWrite)
        .cpu(fails);
    let (kernel, data) = (device.kernel(&source).unwrap(), common::buffer(&device, 1));
    let mut encoder = profiled(&device, "bad", ProfileLevel::Dispatches);
    encoder.dispatch(&kernel, (&data,), common::one()).unwrap();
    let submission = encoder.commit().unwrap();
    let trace = submission.trace().unwrap();
    assert!(trace.failed && trace.dispatches.is_empty());
    assert!(submission.wait().is_err());
}

/// Dispatches of a wave run beside each other, and a grid of no workgroups takes no time.
#[test]
fn waves_of_the_processor_overlap() {
    let device = common::device(2);
    let kernel = spinner(&device);
    let buffers = [(); 2].map(|()| common::buffer(&device, 1));
    let empty = device
        .kernel(
            &KernelSource::new("empty")
                .binding::<u32>(0, Access::ReadWrite)
                .cpu(|_| Ok(())),
        )
        .unwrap();
    let counts = common::buffer(&device, 3);
    let mut overlapped = false;
    for _ in 0..100 {
        let mut encoder = profiled(&device, "wave", ProfileLevel::Dispatches);
        for buffer in &buffers {
            encoder
                .dispatch(&kernel, (buffer, Bytes(&3000u32)), common::one())
                .unwrap();
        }
        encoder.barrier();
        encoder
            .dispatch(&empty, (&buffers[0],), Grid::indirect(&counts))
            .unwrap();
        let trace = trace(&encoder.commit().unwrap());
        let [a, b, none] = &trace.dispatches[..] else {
            panic!("{trace:?}");
        };
        assert_eq!(none.start, none.end);
        assert_eq!(none.barrier, Some(BarrierCause::Explicit));
        overlapped |= a.start < b.end && b.start < a.end;
        if overlapped {
            break;
        }
    }
    assert!(overlapped, "two threads never ran at the same time");
}
