//! Runs checks, each on a thread and a device of its own.

use core::cell::RefCell;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::sync::Once;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use dacapo::{Device, DeviceOptions};

use crate::bench::{Bench, Findings};
use crate::check::{Check, Flaw, Group, Verdict};
use crate::machine::Machine;
use crate::report::{Outcome, Record, Report, Scrub};
use crate::{behaviour, decode, parity, speed};

/// What is run, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The device, and how it is opened.
    pub device: DeviceOptions,
    /// The groups to run; none are all.
    pub groups: Vec<Group>,
    /// Fewer random programs and shorter measurements.
    pub quick: bool,
    /// A model file to decode with, besides the made-up ones.
    pub model: Option<PathBuf>,
    /// How long a check may take; those of `random`, `decode` and `speed` three times as long.
    pub limit: Duration,
    /// Variables of the environment that belong into the report.
    pub environment: Vec<(String, String)>,
    /// Texts that do not belong into a report, such as the path of the user's folder.
    pub private: Vec<String>,
}

impl Default for Settings {
    /// Everything, on the best device, with 40 seconds for a check.
    fn default() -> Settings {
        Settings {
            device: DeviceOptions::default(),
            groups: Vec::new(),
            quick: false,
            model: None,
            limit: Duration::from_secs(40),
            environment: Vec::new(),
            private: Vec::new(),
        }
    }
}

/// Checks that are ready to run.
#[derive(Debug)]
pub struct SelfTest {
    settings: Settings,
    checks: Vec<Check>,
    report: Report,
    scrub: Scrub,
}

/// So many checks may fail to end: behind that the device is hardly there any more, and the others would wait in vain.
const MOST_HANGS: usize = 4;

/// How threads are called whose panics are failures of checks.
const THREAD: &str = "selftest";

impl SelfTest {
    /// Opens the device once, to describe it.
    ///
    /// # Errors
    /// Those of [`Device::open`].
    pub fn new(settings: Settings) -> dacapo::Result<SelfTest> {
        let all = [
            behaviour::checks(),
            parity::checks(),
            decode::checks(settings.model.is_some()),
            speed::checks(settings.model.is_some()),
        ];
        SelfTest::with_checks(settings, all.concat())
    }

    /// The same with other checks.
    ///
    /// # Errors
    /// Those of [`Device::open`].
    #[doc(hidden)]
    pub fn with_checks(settings: Settings, checks: Vec<Check>) -> dacapo::Result<SelfTest> {
        let device = Device::open(&settings.device)?;
        let scrub = Scrub::new(&settings.private);
        let chosen = |group: Group| settings.groups.is_empty() || settings.groups.contains(&group);
        let mut checks = checks;
        checks.retain(|check| chosen(check.group()));
        checks.sort_by_key(Check::group);
        let report = Report::new(Machine::of(&device, &settings, &scrub), checks.len());
        Ok(SelfTest {
            settings,
            checks,
            report,
            scrub,
        })
    }

    /// What is known before anything runs.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How many checks there are.
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Whether no check was chosen.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// Runs all checks. `progress` gets the report as it is before each of them, with the check that is about to run: if
    /// that brings the process down, a report that was written then tells which one it was.
    pub fn run(mut self, progress: &mut dyn FnMut(&Report)) -> Report {
        catch_messages();
        let began = Instant::now();
        let mut hangs = 0;
        for check in &self.checks {
            self.report.running = Some(format!("{}: {}", check.group(), check.name()));
            self.report.seconds = began.elapsed().as_secs_f64();
            progress(&self.report);
            let ran = match hangs < MOST_HANGS {
                true => run(check, &self.settings),
                false => Ran::skipped(format!("{hangs} checks before it did not end")),
            };
            hangs += usize::from(ran.hung);
            self.report.findings.add(ran.findings);
            self.report.records.push(Record {
                group: check.group().name().to_owned(),
                name: check.name().to_owned(),
                outcome: Outcome::of(ran.verdict, &self.scrub),
                ms: ran.took.as_secs_f64() * 1e3,
            });
        }
        self.report.running = None;
        self.report.seconds = began.elapsed().as_secs_f64();
        progress(&self.report);
        self.report
    }
}

/// What became of a check.
struct Ran {
    verdict: Verdict,
    findings: Findings,
    took: Duration,
    hung: bool,
}

impl Ran {
    fn skipped(reason: String) -> Ran {
        Ran {
            verdict: Err(Flaw::Skipped(reason)),
            findings: Findings::default(),
            took: Duration::ZERO,
            hung: false,
        }
    }
}

/// Runs a check to its end, or until it has taken too long: then its thread is left alone.
fn run(check: &Check, settings: &Settings) -> Ran {
    let limit = match check.group() {
        Group::Random | Group::Decode | Group::Speed => 3 * settings.limit,
        _ => settings.limit,
    };
    let began = Instant::now();
    let (sender, receiver) = channel();
    let (own, options) = (check.clone(), settings.device.clone());
    let (quick, model) = (settings.quick, settings.model.clone());
    let body = move || {
        let ran = catch_unwind(AssertUnwindSafe(|| on_bench(&own, &options, quick, model)));
        let ran = ran.unwrap_or_else(|_| (Err(Flaw::Failed(last_panic())), Findings::default()));
        // Nobody listens any more where this took too long.
        let _ = sender.send(ran);
    };
    let ran = match thread::Builder::new().name(THREAD.to_owned()).spawn(body) {
        Err(error) => Err(Flaw::failed(format!("no thread could be started: {error}"))),
        Ok(_) => Ok(receiver.recv_timeout(limit)),
    };
    let hung = matches!(ran, Ok(Err(RecvTimeoutError::Timeout)));
    let (verdict, findings) = match ran {
        Ok(Ok(ran)) => ran,
        Ok(Err(RecvTimeoutError::Timeout)) => (
            Err(Flaw::failed(format!(
                "did not end within {} seconds",
                limit.as_secs_f64()
            ))),
            Findings::default(),
        ),
        Ok(Err(RecvTimeoutError::Disconnected)) => (
            Err(Flaw::failed("its thread ended without a result")),
            Findings::default(),
        ),
        Err(flaw) => (Err(flaw), Findings::default()),
    };
    Ran {
        verdict,
        findings,
        took: began.elapsed(),
        hung,
    }
}

/// Runs a check on a device that is closed before this returns.
fn on_bench(
    check: &Check,
    options: &DeviceOptions,
    quick: bool,
    model: Option<PathBuf>,
) -> (Verdict, Findings) {
    match Bench::open(options, quick, model) {
        Err(error) => (Err(error.into()), Findings::default()),
        Ok(bench) => {
            let verdict = check.run(&bench);
            (verdict, bench.take_findings())
        }
    }
}

thread_local! {
    /// What the last panic of this thread said.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn last_panic() -> String {
    let last = LAST.with(RefCell::take);
    last.unwrap_or_else(|| "panicked without a message".to_owned())
}

/// From now on panics of checks are remembered instead of printed; those of other threads are as before.
fn catch_messages() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| match thread::current().name() {
            Some(THREAD) => LAST.with(|last| *last.borrow_mut() = Some(said(info))),
            _ => before(info),
        }));
    });
}

fn said(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("something without words");
    match info.location() {
        Some(place) => format!("panicked at {}:{}: {text}", place.file(), place.line()),
        None => format!("panicked: {text}"),
    }
}
