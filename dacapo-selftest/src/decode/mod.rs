//! Tokens of tiny models, in every way in which passes can reach the device, against those of the processor.

pub(crate) mod drawn;
pub(crate) mod gguf;

use dacapo::{Device, DeviceOptions};
use dacapo_llm::{Model, ModelFiles, PassOptions, Sampling, Session, SessionOptions};
use dacapo_ops::dtype::DType;

use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict};
use drawn::Draw;
use gguf::{Shape, TemporaryFile};

/// How far logits may be off, as a share of the greatest: devices round elsewhere, and random models amplify it.
const OFF: f64 = 0.02;

/// Least cosine between logits of two devices.
const COSINE: f64 = 0.999;

pub(crate) fn checks(with_model: bool) -> Vec<Check> {
    let mut checks: Vec<Check> = DType::WEIGHTS
        .into_iter()
        .map(|dtype| {
            let name = format!("tiny model, {dtype}: greedy and drawn text, live and planned");
            Check::new(Group::Decode, name, move |bench| of_type(bench, dtype))
        })
        .collect();
    for dtype in [DType::Q4_0, DType::F16] {
        let name = format!("tiny model, {dtype}: the same text however passes reach the device");
        checks.push(Check::new(Group::Decode, name, move |bench| {
            every_way(bench, dtype)
        }));
    }
    checks.push(Check::new(
        Group::Decode,
        "two sessions side by side, and a fork",
        sessions,
    ));
    if with_model {
        checks.push(Check::new(
            Group::Decode,
            "the model that was given: greedy text against the processor's",
            given,
        ));
    }
    checks
}

const DRAWN: Sampling = Sampling {
    temperature: 0.8,
    top_k: 12,
    top_p: 1.0,
    min_p: 0.0,
    seed: 7,
};

/// One model on the processor, which is believed, and on the device.
struct Twins {
    believed: Model,
    checked: Model,
}

impl Twins {
    fn tiny(bench: &Bench, dtype: DType) -> Result<(Twins, TemporaryFile), Flaw> {
        let file = TemporaryFile::new(Shape::TINY, dtype, 1)?;
        Ok((Twins::load(bench, &ModelFiles::open(file.path())?)?, file))
    }

    fn load(bench: &Bench, files: &ModelFiles) -> Result<Twins, Flaw> {
        let cpu = Device::open(&DeviceOptions::cpu())?;
        Ok(Twins {
            believed: Model::load(&cpu, files, &mut |_| {})?,
            checked: Model::load(&bench.device, files, &mut |_| {})?,
        })
    }

    /// Compares the text behind a prompt; gives how many tokens could be compared. Where two tokens are as good as equal
    /// to the processor, texts may part.
    fn compare(
        &self,
        prompt: &[u32],
        tokens: usize,
        sampling: &Sampling,
        passes: PassOptions,
    ) -> Result<usize, Flaw> {
        let wanted = text(&self.believed, prompt, tokens, sampling, LIVE)?;
        let found = text(&self.checked, prompt, tokens, sampling, passes)?;
        let Some(at) = (0..tokens).find(|at| wanted[*at] != found[*at]) else {
            return Ok(tokens);
        };
        let before = [prompt, &wanted[..at]].concat();
        let mut session = session(&self.believed, LIVE)?;
        session.push(&before, &mut |_| {})?;
        let draw = Draw::new(&session.logits()?, sampling);
        let position = before.len() as u32 - 1;
        ensure!(
            draw.is_near(found[at], position, OFF),
            "token {at} behind a prompt of {} is {}, on the processor {} ({passes:?})",
            prompt.len(),
            found[at],
            wanted[at]
        );
        Ok(at)
    }

    /// Compares the logits behind a prompt.
    fn logits(&self, prompt: &[u32], passes: PassOptions) -> Verdict {
        let logits = |model: &Model| {
            let mut session = session(model, passes)?;
            session.push(prompt, &mut |_| {})?;
            Ok::<Vec<f32>, Flaw>(session.logits()?)
        };
        let (wanted, found) = (logits(&self.believed)?, logits(&self.checked)?);
        let cosine = cosine(&wanted, &found);
        ensure!(
            cosine > COSINE,
            "logits behind {} tokens have a cosine of {cosine} with the processor's, at least {COSINE} is needed",
            prompt.len()
        );
        Ok(())
    }
}

/// Passes that are encoded anew each time.
const LIVE: PassOptions = PassOptions {
    graph: false,
    fuse: false,
    reorder: false,
    in_flight: 1,
};

fn session(model: &Model, passes: PassOptions) -> Result<Session, Flaw> {
    let options = SessionOptions {
        capacity: 128,
        chunk: 16,
        passes,
        ..SessionOptions::for_model(model)
    };
    Ok(Session::new(model, &options)?)
}

fn text(
    model: &Model,
    prompt: &[u32],
    tokens: usize,
    sampling: &Sampling,
    passes: PassOptions,
) -> Result<Vec<u32>, Flaw> {
    let mut session = session(model, passes)?;
    session.push(prompt, &mut |_| {})?;
    (0..tokens)
        .map(|_| Ok(session.next_token(sampling)?))
        .collect()
}

/// A prompt that is made up, of tokens that every model has.
fn prompt(seed: u64, len: usize) -> Vec<u32> {
    let mut random = crate::random::Random::new(seed);
    (0..len)
        .map(|_| random.below(Shape::TINY.vocabulary) as u32)
        .collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        let terms = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        terms.sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Fails where so little was compared that it says nothing.
fn enough(compared: usize, all: usize) -> Verdict {
    ensure!(
        2 * compared >= all,
        "texts part so early, where tokens are as good as equal, that only {compared} of {all} tokens say anything"
    );
    Ok(())
}

fn of_type(bench: &Bench, dtype: DType) -> Verdict {
    let (twins, _file) = Twins::tiny(bench, dtype)?;
    let planned = PassOptions::default();
    if bench.is_slow() {
        twins.logits(&prompt(99, 10), planned)?;
        let greedy = twins.compare(&prompt(0, 5), 3, &Sampling::GREEDY, planned)?;
        let drawn = twins.compare(&prompt(0, 5), 3, &DRAWN, LIVE)?;
        return enough(greedy + drawn, 6);
    }
    twins.logits(&prompt(99, 40), LIVE)?;
    twins.logits(&prompt(98, 3), planned)?;
    let (mut compared, mut all) = (0, 0);
    for passes in [LIVE, planned] {
        for sampling in [Sampling::GREEDY, DRAWN] {
            for at in 0..4 {
                let prompt = prompt(at, 5 + 3 * at as usize);
                compared += twins.compare(&prompt, 20, &sampling, passes)?;
                all += 20;
            }
        }
    }
    enough(compared, all)
}

/// Live, and planned with and without fusion, reordering and steps in flight.
fn ways(bench: &Bench) -> Vec<PassOptions> {
    let in_flight: &[usize] = if bench.is_slow() { &[2] } else { &[1, 2, 5] };
    let mut ways = vec![LIVE];
    for (fuse, reorder) in [(false, false), (false, true), (true, false), (true, true)] {
        ways.extend(in_flight.iter().map(|&in_flight| PassOptions {
            graph: true,
            fuse,
            reorder,
            in_flight,
        }));
    }
    ways
}

fn every_way(bench: &Bench, dtype: DType) -> Verdict {
    let (twins, _file) = Twins::tiny(bench, dtype)?;
    let (tokens, prompts) = if bench.is_slow() { (4, 1) } else { (24, 2) };
    let (mut compared, mut all) = (0, 0);
    for passes in ways(bench) {
        for sampling in [Sampling::GREEDY, DRAWN] {
            for at in 0..prompts {
                let prompt = prompt(50 + at, 3 + 11 * at as usize);
                compared += twins.compare(&prompt, tokens, &sampling, passes)?;
                all += tokens;
            }
        }
    }
    enough(compared, all)
}

fn sessions(bench: &Bench) -> Verdict {
    let (twins, _file) = Twins::tiny(bench, DType::Q8_0)?;
    let (model, greedy) = (&twins.checked, Sampling::GREEDY);
    let (tokens, long) = if bench.is_slow() { (3, 6) } else { (12, 17) };
    let prompts = [prompt(60, 4), prompt(61, long)];
    let alone = |prompt: &[u32]| text(model, prompt, tokens, &greedy, PassOptions::default());
    let wanted = [alone(&prompts[0])?, alone(&prompts[1])?];
    let mut both = [
        session(model, PassOptions::default())?,
        session(model, PassOptions::default())?,
    ];
    for (session, prompt) in both.iter_mut().zip(&prompts) {
        session.push(prompt, &mut |_| {})?;
    }
    let mut texts = [Vec::new(), Vec::new()];
    for _ in 0..tokens {
        for (session, text) in both.iter_mut().zip(&mut texts) {
            text.push(session.next_token(&greedy)?);
        }
    }
    ensure_eq!(texts, wanted, "texts of two sessions, and of each alone");
    let [mut original, _] = both;
    let mut fork = original.fork()?;
    let next = |session: &mut Session| {
        let tokens = (0..tokens).map(|_| session.next_token(&DRAWN));
        tokens.collect::<Result<Vec<u32>, _>>()
    };
    ensure_eq!(
        next(&mut fork)?,
        next(&mut original)?,
        "texts of a fork and of its original"
    );
    Ok(())
}

/// Greedy text of a real model, which has less that is as good as equal.
fn given(bench: &Bench) -> Verdict {
    let path = bench
        .model()
        .ok_or_else(|| Flaw::skipped("no model was given"))?;
    let twins = Twins::load(bench, &ModelFiles::open(path)?)?;
    let tokens = bench.times(24, 8) as usize;
    twins.logits(&prompt(70, 32), PassOptions::default())?;
    let mut compared = 0;
    for passes in [LIVE, PassOptions::default()] {
        compared += twins.compare(&prompt(71, 12), tokens, &Sampling::GREEDY, passes)?;
    }
    ensure!(compared > 0, "texts part at once");
    Ok(())
}
