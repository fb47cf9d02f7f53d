//! The self-test passes on devices that are right, and notices those that are not.

use std::num::NonZeroUsize;
use std::time::Duration;

use dacapo::{
    Access, Backend, Bytes, DeviceOptions, DeviceSelector, GpuDebug, Graph, Hazards, PlanOptions,
};
use dacapo_selftest::kit::{buffer, gpu, one, step_kernel};
use dacapo_selftest::{Bench, Check, Flaw, Group, Outcome, Report, SelfTest, Settings, Verdict};

fn on(backend: Backend) -> Settings {
    Settings {
        device: DeviceOptions {
            device: DeviceSelector::Backend(backend),
            threads: NonZeroUsize::new(2),
            ..DeviceOptions::default()
        },
        quick: true,
        ..Settings::default()
    }
}

/// Every group but these.
fn without(left_out: &[Group]) -> Vec<Group> {
    let all = Group::ALL.iter().copied();
    all.filter(|group| !left_out.contains(group)).collect()
}

#[track_caller]
fn passes(settings: Settings) -> Report {
    let test = SelfTest::new(settings).unwrap();
    let total = test.len();
    let report = test.run(&mut |_| {});
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!((report.records.len(), report.total), (total, total));
    report
}

#[test]
fn the_processor_passes_all_of_it() {
    let report = passes(on(Backend::Cpu));
    let skipped: Vec<_> = report.skipped().map(|it| it.name.as_str()).collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    let groups: Vec<Group> = report
        .tallies()
        .into_iter()
        .map(|(group, _)| group)
        .collect();
    assert_eq!(groups, Group::ALL);
    let findings = &report.findings;
    assert!(
        findings
            .parity
            .iter()
            .all(|it| it.worst <= 1.0 && it.cases > 0)
    );
    assert!(
        findings
            .figures
            .iter()
            .all(|it| it.value.is_finite() && it.value > 0.0)
    );
    assert!(findings.kernels.iter().any(|it| it.gb_s.is_some()));
}

#[test]
fn the_interpreter_passes() {
    passes(Settings {
        groups: without(&[Group::Decode, Group::Speed]),
        ..on(Backend::Reference)
    });
}

#[test]
fn vulkan_passes_if_it_is_there() {
    let device = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Vulkan),
        gpu_debug: GpuDebug::Synchronization,
        ..DeviceOptions::default()
    };
    let settings = Settings {
        device: device.with_env().unwrap(),
        groups: without(&[Group::Ops, Group::Decode, Group::Speed]),
        ..on(Backend::Vulkan)
    };
    if gpu(Backend::Vulkan, &settings.device).is_some() {
        passes(settings);
    }
}

/// On Linux that is the double of Metal, where somebody builds with it.
#[test]
fn metal_passes_if_it_is_there() {
    let device = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Metal),
        ..DeviceOptions::default()
    };
    let settings = Settings {
        device: device.with_env().unwrap(),
        groups: without(&[Group::Ops, Group::Decode, Group::Speed]),
        ..on(Backend::Metal)
    };
    if gpu(Backend::Metal, &settings.device).is_some() {
        passes(settings);
    }
}

/// A device on which no barrier is put unless somebody asks: the interpreter reports what that leads to.
#[test]
fn a_device_without_barriers_fails() {
    let mut settings = on(Backend::Reference);
    settings.device.hazards = Hazards::Manual;
    settings.groups = vec![
        Group::Submissions,
        Group::Graphs,
        Group::Executables,
        Group::Counters,
    ];
    let report = SelfTest::new(settings).unwrap().run(&mut |_| {});
    for group in ["graphs", "submissions", "counters"] {
        let failed = report.failed().filter(|it| it.group == group).count();
        assert!(failed > 0, "nothing failed in {group}");
    }
}

fn check(name: &str, run: fn(&Bench) -> Verdict) -> Check {
    Check::new(Group::Hazards, name, run)
}

/// `x = 3 x + 1`, then `x = 3 x + 2`.
fn two_steps(bench: &Bench) -> dacapo::Result<Graph> {
    let (step, target) = (step_kernel(&bench.device), buffer(&bench.device, 4));
    Graph::capture(&bench.device, |encoder| {
        encoder.dispatch(&step, (&target, Bytes(&1u32)), one())?;
        encoder.dispatch(&step, (&target, Bytes(&2u32)), one())
    })
}

#[test]
fn planted_faults_are_noticed() {
    let checks = vec![
        check("right", |bench| {
            let plan = two_steps(bench)?.plan(&PlanOptions::default())?;
            Ok(plan.instantiate()?.launch("right")?.wait()?)
        }),
        check("a barrier is missing", |bench| {
            let plan = two_steps(bench)?.plan(&PlanOptions::default())?;
            let broken = plan.without_barrier(1);
            Ok(broken.instantiate()?.launch("broken")?.wait()?)
        }),
        check("an access is wrong", |bench| {
            let graph = two_steps(bench)?.with_access(0, 0, Access::Read);
            let graph = graph.with_access(1, 0, Access::Read);
            let plan = graph.plan(&PlanOptions::default())?;
            Ok(plan.instantiate()?.launch("broken")?.wait()?)
        }),
    ];
    let test = SelfTest::with_checks(on(Backend::Reference), checks).unwrap();
    let report = test.run(&mut |_| {});
    let words: Vec<&str> = report.records.iter().map(|it| it.outcome.word()).collect();
    assert_eq!(
        words,
        ["passed", "failed", "failed"],
        "{:#?}",
        report.records
    );
}

#[test]
fn checks_that_panic_or_do_not_end_are_failures_and_the_rest_goes_on() {
    let checks = vec![
        check("panics", |_| panic!("number {}", 7)),
        check("hangs", |_| {
            loop {
                std::thread::sleep(Duration::from_millis(50));
            }
        }),
        check("fails", |_| {
            Err(Flaw::failed("it is in /home/ada/secret, see /srv/mine/x"))
        }),
        check("is skipped", |_| Err(Flaw::skipped("not here"))),
        check("passes", |bench| {
            bench.figure("answer", 42.0, "things", 1);
            Ok(())
        }),
    ];
    let settings = Settings {
        limit: Duration::from_millis(300),
        environment: vec![("DACAPO_X".into(), "/srv/mine/cache".into())],
        private: vec!["/srv/mine".into()],
        ..on(Backend::Cpu)
    };
    let test = SelfTest::with_checks(settings, checks).unwrap();
    let mut seen = Vec::new();
    let report = test.run(&mut |report| seen.push(report.running.clone()));
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[1].as_deref(), Some("hazards: hangs"));
    assert_eq!(seen[5], None);
    let outcomes: Vec<&Outcome> = report.records.iter().map(|it| &it.outcome).collect();
    let reason = |at: usize| outcomes[at].reason().unwrap_or_default();
    assert!(
        reason(0).contains("number 7") && reason(0).contains("selftest.rs:"),
        "{}",
        reason(0)
    );
    assert_eq!(reason(1), "did not end within 0.3 seconds");
    assert_eq!(reason(2), "it is in ~/secret, see ~/x");
    assert_eq!(*outcomes[3], Outcome::Skipped("not here".into()));
    assert_eq!(*outcomes[4], Outcome::Passed);
    assert_eq!(
        (report.failed().count(), report.findings.figures.len()),
        (3, 1)
    );

    let markdown = report.to_markdown().unwrap();
    assert_eq!(Report::from_markdown(&markdown).unwrap(), report);
    assert_eq!(
        Report::from_json(&report.to_json().unwrap()).unwrap(),
        report
    );
    assert!(
        !markdown.contains("/srv/mine") && !markdown.contains("/home/"),
        "{markdown}"
    );
    assert!(markdown.contains("| hazards | hangs | did not end within 0.3 seconds |"));
}

#[test]
fn a_report_tells_of_the_check_that_brought_it_down() {
    let checks = vec![check("first", |_| Ok(())), check("second", |_| Ok(()))];
    let test = SelfTest::with_checks(on(Backend::Cpu), checks).unwrap();
    let mut texts = Vec::new();
    test.run(&mut |report| texts.push(report.to_markdown().unwrap()));
    assert!(texts[1].contains("in the middle of the check \"hazards: second\", after 1 of 2"));
    assert!(!texts[2].contains("in the middle"));
}

#[test]
fn groups_are_chosen_by_name() {
    for group in Group::ALL {
        assert_eq!(group.name().parse(), Ok(*group));
        assert!(!group.about().is_empty());
    }
    let error = "opps".parse::<Group>().unwrap_err();
    assert!(
        error.contains("ops") && error.contains("encoder"),
        "{error}"
    );
    let settings = Settings {
        groups: vec![Group::Pools, Group::Residency],
        ..on(Backend::Cpu)
    };
    let report = passes(settings);
    assert!(
        report
            .records
            .iter()
            .all(|it| ["pools", "residency"].contains(&&*it.group))
    );
}
