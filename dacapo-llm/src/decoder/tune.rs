//! Choosing shapes of kernels by the time of the whole decode step: one knob after the other, each set to the value with
//! which the device runs the step fastest.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dacapo::{Executable, Launch, Plan, Submission};
use dacapo_ops::sample::SampleParams as Sampling;
use dacapo_ops::tuning::{Key, Knob, Settings};

use crate::decoder::{DecoderError, Model, Session, SessionOptions, session};
use crate::error::Result;

/// Launches of a candidate that decide whether it is looked at again.
const FIRST: usize = 12;
/// Launches of each side in one of the rounds that decide between two.
const AGAIN: usize = 16;
/// Rounds in which the two take turns.
const ROUNDS: usize = 3;
/// Launches that do not count, before those that do.
const WARM_UP: usize = 3;
/// What the device runs first of all, and at most after a pause: its clock falls while it has nothing to do, and takes
/// that long to rise again.
const RISE: Duration = Duration::from_millis(400);
/// The share of the step by which a candidate must be faster.
const GAIN: f64 = 0.005;
/// How often all knobs are gone through: a second time what changed later may suit other values.
const PASSES: usize = 2;

/// How a model is tuned.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TuneOptions {
    /// Positions in the cache when the step runs; with some more they must fit the model's context.
    pub context: usize,
    /// How the step samples: greedy sampling and drawing end in different products.
    pub sampling: Sampling,
    /// No candidate is begun after this.
    pub limit: Duration,
}

impl Default for TuneOptions {
    /// 256 positions, greedy sampling, at most two minutes.
    fn default() -> Self {
        TuneOptions {
            context: 256,
            sampling: Sampling::GREEDY,
            limit: Duration::from_secs(120),
        }
    }
}

/// What is being tried.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TuneProgress<'a> {
    /// Which time all knobs are gone through, from 1.
    pub pass: usize,
    /// Knobs of this pass that are done.
    pub done: usize,
    /// Knobs of this pass.
    pub knobs: usize,
    /// The knob.
    pub name: &'a str,
    /// The value that is to be tried.
    pub value: u32,
    /// The step's time with the best settings so far.
    pub best: Duration,
}

/// A knob that was set anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The knob.
    pub name: String,
    /// Its value before.
    pub from: u32,
    /// Its value now.
    pub to: u32,
    /// The step's time with the old value, and with the new one, measured in turns.
    pub step: [Duration; 2],
}

/// What tuning has found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TuningReport {
    /// The device's time of a step with the settings before.
    pub before: Duration,
    /// And with those that were found, measured in turns with the former.
    pub after: Duration,
    /// What changed, in the order in which it was found.
    pub changes: Vec<Change>,
    /// Names of the knobs that the step depends on.
    pub knobs: Vec<String>,
    /// Settings that were tried.
    pub candidates: usize,
    /// Those of them that the device could not run.
    pub failed: usize,
    /// Whether all knobs were gone through before the limit.
    pub complete: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Finds the settings with which `model`'s device runs a decode step fastest, beginning with those that are set in
/// [`Model::tuning`], and leaves them there. Sessions of the model plan anew afterwards, and should not run meanwhile.
///
/// Logits before and after may differ in their last bits, because sums are added up in another order. After an error the
/// settings are as before.
///
/// # Errors
/// [`DecoderError::Option`] for a context that the model has not, and the runtime's own.
pub fn tune(
    model: &Model,
    options: &TuneOptions,
    progress: &mut dyn FnMut(&TuneProgress<'_>),
) -> Result<TuningReport> {
    let tuning = model.tuning();
    let settings = tuning.settings();
    tuning.record(true);
    let report = Tuner::new(model, options).and_then(|mut tuner| tuner.run(progress));
    tuning.record(false);
    if report.is_err() {
        tuning.apply(settings);
    }
    Ok(report?)
}

struct Tuner<'m> {
    model: &'m Model,
    options: &'m TuneOptions,
    session: Session,
    started: Instant,
    best: Candidate,
    changes: Vec<Change>,
    candidates: usize,
    failed: usize,
    /// Problems whose settings make no difference: plans have other operations in their place.
    idle: Vec<Key>,
    /// When the device ran out of work.
    rests: Cell<Option<Instant>>,
}

/// Settings, and the step with them.
#[derive(Clone)]
struct Candidate {
    settings: Settings,
    plan: Plan,
    executable: Arc<Executable>,
    knobs: Vec<Knob>,
}

impl<'m> Tuner<'m> {
    fn new(model: &'m Model, options: &'m TuneOptions) -> Result<Tuner<'m>, DecoderError> {
        let steps = WARM_UP + FIRST.max(AGAIN);
        let context_length = model.config().context_length;
        let capacity = options.context.saturating_add(steps);
        if options.context == 0 || capacity > context_length {
            return Err(DecoderError::Option {
                option: "context",
                found: options.context,
                allowed: format!("1 to {}", context_length.saturating_sub(steps)),
            });
        }
        let session = session::open(
            model,
            &SessionOptions {
                capacity,
                chunk: 1,
                ..SessionOptions::for_model(model)
            },
        )?;
        let best = candidate(model, &session, options, model.tuning().settings())?;
        Ok(Tuner {
            model,
            options,
            session,
            started: Instant::now(),
            best,
            changes: Vec::new(),
            candidates: 0,
            failed: 0,
            idle: Vec::new(),
            rests: Cell::new(None),
        })
    }

    fn run(
        &mut self,
        progress: &mut dyn FnMut(&TuneProgress<'_>),
    ) -> Result<TuningReport, DecoderError> {
        let first = self.best.clone();
        let mut complete = true;
        for pass in 1..=PASSES {
            let changes = self.changes.len();
            complete = self.pass(pass, progress)?;
            if !complete || self.changes.len() == changes {
                break;
            }
        }
        self.model.tuning().apply(self.best.settings.clone());
        let [before, after] = match self.changes.is_empty() {
            true => [self.time(&first, AGAIN)?; 2],
            false => self.compare(&first, &self.best)?,
        };
        let is_live = |knob: &&Knob| !self.is_idle(&knob.key) && knob.allowed.len() > 1;
        let knobs = self.best.knobs.iter().filter(is_live);
        let knobs = knobs.map(Knob::name).collect();
        Ok(TuningReport {
            before,
            after,
            changes: std::mem::take(&mut self.changes),
            knobs,
            candidates: self.candidates,
            failed: self.failed,
            complete,
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    /// Goes through all knobs; whether it came to the end.
    fn pass(
        &mut self,
        pass: usize,
        progress: &mut dyn FnMut(&TuneProgress<'_>),
    ) -> Result<bool, DecoderError> {
        let mut keys: Vec<(u128, String, Key)> = (self.best.knobs.iter())
            .map(|knob| (weight(knob), knob.name(), knob.key))
            .collect();
        keys.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut time = self.time(&self.best, FIRST)?;
        for (done, (_, name, key)) in keys.iter().enumerate() {
            // Other knobs may have changed what is allowed.
            let knob = self.best.knobs.iter().find(|knob| knob.key == *key);
            let Some(Knob { allowed, .. }) = knob.cloned() else {
                continue;
            };
            for value in allowed {
                let now = self.best.knobs.iter().find(|knob| knob.key == *key);
                let now = now.map(|knob| knob.value);
                if now == Some(value) || self.is_idle(key) {
                    continue;
                }
                if self.started.elapsed() >= self.options.limit {
                    return Ok(false);
                }
                progress(&TuneProgress {
                    pass,
                    done,
                    knobs: keys.len(),
                    name,
                    value,
                    best: time,
                });
                let from = now.unwrap_or(value);
                time = self.attempt(*key, [from, value], time)?;
            }
        }
        Ok(true)
    }

    /// Tries a value, and keeps it if the step is faster with it; gives the time of the best step.
    fn attempt(
        &mut self,
        key: Key,
        [from, value]: [u32; 2],
        time: Duration,
    ) -> Result<Duration, DecoderError> {
        let mut settings = self.best.settings.clone();
        settings.insert(key.to_string(), value);
        self.candidates += 1;
        let found =
            candidate(self.model, &self.session, self.options, settings).and_then(|found| {
                let is_idle = same(&found.plan, &self.best.plan);
                let first = match is_idle {
                    true => time,
                    false => self.time(&found, FIRST)?,
                };
                Ok((found, first, is_idle))
            });
        let (found, first, is_idle) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%key, value, %error, "the device cannot run a candidate");
                self.failed += 1;
                // Fails, too, if nothing runs any more.
                return self.time(&self.best, FIRST);
            }
        };
        if is_idle {
            self.candidates -= 1;
            self.idle.push(key);
            return Ok(time);
        }
        if faster(first, time) {
            let step = self.compare(&self.best, &found)?;
            let [before, after] = step;
            if faster(after, before) {
                self.changes.push(Change {
                    name: key.to_string(),
                    from,
                    to: value,
                    step,
                });
                self.best = found;
                return Ok(after);
            }
            return Ok(before);
        }
        // A best time that came about by chance would let nothing pass any more, and one that has become worse everything.
        match self.candidates.is_multiple_of(8) {
            true => self.time(&self.best, FIRST),
            false => Ok(time),
        }
    }

    /// The median time of a step of two candidates, which take turns.
    fn compare(&self, one: &Candidate, other: &Candidate) -> Result<[Duration; 2], DecoderError> {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (times, candidate) in times.iter_mut().zip([one, other]) {
                self.launch(candidate, AGAIN, times)?;
            }
        }
        Ok(times.map(median))
    }

    fn time(&self, candidate: &Candidate, launches: usize) -> Result<Duration, DecoderError> {
        let mut times = Vec::new();
        self.launch(candidate, launches, &mut times)?;
        Ok(median(times))
    }

    /// Adds the device's time of each of some steps.
    fn launch(
        &self,
        candidate: &Candidate,
        launches: usize,
        times: &mut Vec<Duration>,
    ) -> Result<(), DecoderError> {
        self.warm(candidate)?;
        let submissions = self.submit(candidate, WARM_UP + launches)?;
        let mut end = Duration::ZERO;
        for (at, submission) in submissions.iter().enumerate() {
            submission.wait()?;
            let Some(found) = submission.gpu_times() else {
                continue;
            };
            if at >= WARM_UP {
                // A step can be said to have begun while the one before was still running.
                times.push(found.end.saturating_sub(found.start.max(end)));
            }
            end = found.end;
        }
        self.rests.set(Some(Instant::now()));
        Ok(self.model.shared.ops.linear.check_met()?)
    }

    /// Lets a GPU work for as long as it had nothing to do.
    fn warm(&self, candidate: &Candidate) -> Result<(), DecoderError> {
        if !self.model.device().info().kind.is_gpu() {
            return Ok(());
        }
        let idle = self.rests.get().map_or(RISE, |since| since.elapsed());
        let started = Instant::now();
        while started.elapsed() < idle.min(RISE) {
            for submission in self.submit(candidate, FIRST)? {
                submission.wait()?;
            }
        }
        Ok(())
    }

    /// Launches steps back to back, from the context's end on.
    fn submit(
        &self,
        candidate: &Candidate,
        launches: usize,
    ) -> Result<Vec<Submission>, DecoderError> {
        self.session.place_at(self.options.context - 1)?;
        let launch = Launch {
            label: "tune",
            ..Launch::default()
        };
        (0..launches)
            .map(|_| Ok(candidate.executable.launch_with(&launch)?))
            .collect()
    }

    fn is_idle(&self, key: &Key) -> bool {
        self.idle.iter().any(|idle| idle.is_beside(key))
    }
}

/// The step with these settings, planned and recorded.
fn candidate(
    model: &Model,
    session: &Session,
    options: &TuneOptions,
    settings: Settings,
) -> Result<Candidate, DecoderError> {
    let tuning = model.tuning();
    tuning.apply(settings.clone());
    let plan = session.planned_step(&options.sampling)?;
    let knobs = tuning.knobs();
    let executable = Arc::new(plan.instantiate()?);
    Ok(Candidate {
        settings,
        plan,
        executable,
        knobs,
    })
}

/// Whether two plans are the same dispatches.
fn same(one: &Plan, other: &Plan) -> bool {
    let nodes = |plan: &Plan| {
        let nodes = plan.graph().nodes().iter();
        nodes
            .map(|node| (node.kernel().clone(), format!("{:?}", node.grid())))
            .collect::<Vec<_>>()
    };
    nodes(one) == nodes(other)
}

/// Elements that all dispatches of a knob read, about.
fn weight(knob: &Knob) -> u128 {
    u128::from(knob.key.rows) * u128::from(knob.key.cols) * u128::from(knob.asked)
}

fn faster(one: Duration, other: Duration) -> bool {
    one.as_secs_f64() < other.as_secs_f64() * (1.0 - GAIN)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
