//! dacapo as a contestant.

use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::time::Instant;

use dacapo::{Device, DeviceOptions, DeviceSelector};
use dacapo_llm::tuning::{TuneOptions, tune};
use dacapo_llm::{Model, ModelFiles, Sampling, Session, SessionOptions};
use serde::Serialize;

use super::protocol::{Ask, Done, Failed, Load, Loaded, Measure, Measured};
use crate::made;
use crate::work::Result;

/// Answers on standard output what is asked on standard input, until it ends.
pub fn serve() -> Result<()> {
    let mut session = None;
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Ask::Load(load) => ready(&load).and_then(|(loaded, ready)| {
                session = Some(ready);
                text(&loaded)
            }),
            Ask::Measure(measure) => match &mut session {
                Some(session) => measured(session, measure).and_then(|times| text(&times)),
                None => Err("nothing is loaded".into()),
            },
            Ask::Quit => {
                let device_bytes = session.as_ref().and_then(device_bytes);
                println!("{}", text(&Done { device_bytes })?);
                break;
            }
        };
        let answer = answer.or_else(|error| {
            let error = error.to_string();
            text(&Failed { error })
        });
        println!("{}", answer?);
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn text(answer: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(answer)?)
}

fn ready(load: &Load) -> Result<(Loaded, Session)> {
    let made = match (&load.file, &load.shape) {
        (Some(_), _) => None,
        (None, Some((shape, dtype))) => Some(made::in_memory(shape, *dtype)?),
        (None, None) => return Err("neither a file nor a shape to load".into()),
    };
    let begun = Instant::now();
    let device = Device::open(&DeviceOptions {
        device: load.device.parse::<DeviceSelector>()?,
        threads: NonZeroUsize::new(load.threads),
        ..DeviceOptions::default()
    })?;
    let files = match (made, &load.file) {
        (Some(files), _) => files,
        (None, Some(file)) => ModelFiles::open(file)?,
        (None, None) => return Err("neither a file nor a shape to load".into()),
    };
    let model = Model::load(&device, &files, &mut |_| {})?;
    let options = SessionOptions {
        capacity: load.capacity,
        ..SessionOptions::for_model(&model)
    };
    let session = Session::new(&model, &options)?;
    let seconds = begun.elapsed().as_secs_f64();
    if load.tune {
        tune(&model, &TuneOptions::default(), &mut |_| {})?;
    }
    let info = device.info();
    let threads = match device.gpu() {
        Some(_) => String::new(),
        None => format!(", {} threads", load.threads),
    };
    let loaded = Loaded {
        engine: format!("dacapo {}", env!("CARGO_PKG_VERSION")),
        settings: format!(
            "{} ({}{threads}); graphs, fused and reordered, {} steps in flight; prompts in chunks of {}; a cache of F16{}",
            info.name,
            info.backend,
            options.passes.in_flight,
            options.chunk,
            if load.tune { "; tuned" } else { "" },
        ),
        seconds,
    };
    Ok((loaded, session))
}

fn measured(session: &mut Session, measure: Measure) -> Result<Measured> {
    let Measure {
        context,
        prompt,
        generate,
    } = measure;
    session.clear();
    let fill = pushed(session, context.max(1))?;
    // Sampled from logits that are there: no pass of its own.
    session.next_token(&Sampling::GREEDY)?;
    let begun = Instant::now();
    for _ in 0..generate {
        session.next_token(&Sampling::GREEDY)?;
    }
    let decode = begun.elapsed().as_secs_f64();
    match context {
        0 => session.clear(),
        // The token sampled last goes through the model before the prompt does.
        _ => drop(session.logits()?),
    }
    let prefill = Some(pushed(session, prompt)?);
    Ok(Measured {
        fill,
        decode,
        prefill,
    })
}

/// Puts so many tokens behind those in the cache, and gives the seconds.
fn pushed(session: &mut Session, count: usize) -> Result<f64> {
    let tokens: Vec<u32> = (0..count).map(|at| 100 + at as u32 % 150).collect();
    let begun = Instant::now();
    session.push(&tokens, &mut |_| {})?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Bytes that are allocated on a GPU.
fn device_bytes(session: &Session) -> Option<u64> {
    let device = session.model().device();
    device.gpu()?;
    Some(device.memory_budget().used)
}
