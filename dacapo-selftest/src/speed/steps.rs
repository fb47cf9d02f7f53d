//! Decode steps: how many a second, and where their time goes.

use std::time::Instant;

use dacapo::{ProfileLevel, Trace};
use dacapo_llm::{Model, ModelFiles, Sampling, Session, SessionOptions};
use dacapo_profile::analysis::Section;
use dacapo_profile::{Analysis, Profile};

use crate::behaviour::median;
use crate::bench::{Bench, KernelRow};
use crate::check::{Flaw, Verdict};

/// The label of decode steps.
const DECODE: &str = "decode";

/// Tokens of the prompt.
const PROMPT: usize = 16;

pub(super) fn measure(bench: &Bench, name: &str, files: &ModelFiles, tokens: usize) -> Verdict {
    let model = Model::load(&bench.device, files, &mut |_| {})?;
    let options = SessionOptions {
        capacity: PROMPT + 2 * tokens + 8,
        chunk: PROMPT,
        ..SessionOptions::for_model(&model)
    };
    let mut session = Session::new(&model, &options)?;
    let vocabulary = model.config().vocab_size as u32;
    let prompt: Vec<u32> = (0..PROMPT as u32)
        .map(|at| (at * 37 + 11) % vocabulary)
        .collect();
    let mut run = || {
        session.clear();
        let began = Instant::now();
        session.push(&prompt, &mut |_| {})?;
        let prefill = began.elapsed().as_secs_f64();
        // It takes no forward pass of its own.
        session.next_token(&Sampling::GREEDY)?;
        let began = Instant::now();
        for _ in 0..tokens {
            session.next_token(&Sampling::GREEDY)?;
        }
        Ok::<_, Flaw>((
            PROMPT as f64 / prefill,
            tokens as f64 / began.elapsed().as_secs_f64(),
        ))
    };
    run()?;
    let rounds = if bench.is_slow() { 1 } else { 3 };
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (prefilled, decoded) = run()?;
        prefill.push(prefilled);
        decode.push(decoded);
    }
    bench.figure(
        format!("{name}: prefill of {PROMPT} tokens"),
        median(prefill),
        "tok/s",
        rounds,
    );
    bench.figure(format!("{name}: decode"), median(decode), "tok/s", rounds);

    let mut recorded = |level| {
        // What happens once at this level.
        let warming = bench.device.record(level)?;
        run()?;
        warming.finish()?;
        let recorder = bench.device.record(level)?;
        run()?;
        Ok::<Trace, Flaw>(recorder.finish()?)
    };
    let plain = analysed(&recorded(ProfileLevel::Submissions)?)?;
    let timed = analysed(&recorded(ProfileLevel::Dispatches)?)?;
    let steps = timed.device_ns.count as usize;
    ensure!(
        steps >= tokens,
        "{steps} decode steps were recorded, not {tokens}"
    );
    ensure!(!timed.kernels.is_empty(), "no kernel was recorded");
    let (plain_us, timed_us) = (
        plain.device_ns.median as f64 / 1e3,
        timed.device_ns.median as f64 / 1e3,
    );
    bench.figure(
        format!("{name}: a step on the device"),
        plain_us,
        "us",
        steps,
    );
    bench.figure(
        format!("{name}: the same with each dispatch timed"),
        timed_us,
        "us",
        steps,
    );
    bench.figure(
        format!("{name}: dispatches of a step"),
        timed.dispatches.median as f64,
        "",
        steps,
    );
    bench.figure(
        format!("{name}: waves of a step"),
        timed.waves.median as f64,
        "",
        steps,
    );
    let rows = timed.kernels.iter().map(|row| KernelRow {
        model: name.to_owned(),
        kernel: row.name.clone(),
        count: row.duration_ns.count,
        attributed_ms: row.attributed_ns as f64 / 1e6,
        share: row.share,
        median_us: row.duration_ns.median as f64 / 1e3,
        gb_s: row.rate.gb_s,
    });
    let rows: Vec<KernelRow> = rows.collect();
    bench.find(|findings| findings.kernels.extend(rows));
    Ok(())
}

/// Decode steps of a recording.
fn analysed(trace: &Trace) -> Result<Section, Flaw> {
    let profile = Profile::new("selftest", trace);
    let analysis = Analysis::of(&profile);
    let section = analysis.label(DECODE);
    section
        .cloned()
        .ok_or_else(|| Flaw::failed("no decode step was recorded"))
}
