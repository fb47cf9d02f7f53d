//! Whole models beside other engines.

mod charts;
mod contestant;
mod outcome;
mod peers;
mod process;
mod protocol;
mod rounds;
mod subject;
mod table;

use std::time::Duration;

pub use self::contestant::serve;
pub use self::peers::Peer;

use self::outcome::{Contested, Measurement, Outcome, SCHEMA};
use self::process::Contestant;
use self::protocol::{Ask, Done, Load, Loaded, Measure};
use self::subject::Subject;
use crate::args::Model as Options;
use crate::stats::INTERVAL;
use crate::work::Result;
use crate::{plot, write};

/// How long contestants on a GPU work without counting once their kernels are compiled.
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures all models, prints, and writes what else was asked for.
pub fn run(options: &Options) -> Result<()> {
    let files = options
        .files
        .iter()
        .map(|file| Ok(Subject::File(file.clone())));
    let made = options.shape.iter().flat_map(|shape| {
        let with = |dtype: &_| Subject::made(shape, *dtype);
        options.dtype.iter().map(with)
    });
    let subjects = files.chain(made).collect::<Result<Vec<_>>>()?;
    let mut outcome = Outcome {
        schema: SCHEMA,
        cores: cores(),
        busy: busy(),
        rounds: options.rounds as usize,
        prompt: options.prompt as usize,
        generate: options.generate as usize,
        interval: INTERVAL.to_owned(),
        models: Vec::new(),
    };
    for subject in subjects {
        outcome.models.push(measured(options, &subject)?);
    }
    print!("{outcome}");
    if let Some(path) = &options.output.json {
        write(path, &serde_json::to_string_pretty(&outcome)?)?;
    }
    if let Some(folder) = &options.output.svg {
        plot::save(&outcome.charts(), folder)?;
    }
    Ok(())
}

/// How many threads wanted to run in the last minute, where the system tells (Linux).
fn busy() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One model, run by everybody.
fn measured(options: &Options, subject: &Subject) -> Result<Measurement> {
    let needs_file = options.peer.iter().any(Peer::needs_file);
    let files = subject.prepare(needs_file)?;
    let behind = options.generate as usize + options.prompt as usize + 1;
    let fits = |context: &usize| context.saturating_add(behind) <= files.context_length;
    let (contexts, long): (Vec<_>, Vec<_>) = options.contexts.iter().copied().partition(fits);
    let longest = contexts.iter().max().ok_or_else(|| {
        let (contexts, most) = (&options.contexts, files.context_length);
        format!("no context of {contexts:?} leaves room for {behind} tokens of the model's {most}")
    })?;
    let left_out = |context| {
        let most = files.context_length;
        format!(
            "a context of {context} was left out: with {behind} more tokens it exceeds the model's {most}"
        )
    };
    let threads = options.threads.map_or_else(cores, usize::from);
    let limit = Duration::from_secs(options.limit);
    let load = Load {
        file: files.path.clone(),
        shape: files.shape.clone(),
        device: options.device.clone(),
        threads,
        capacity: longest + behind,
        tune: options.tune,
    };
    let mut notes: Vec<String> = long.into_iter().map(left_out).collect();
    let (mut contestants, mut contested) = (Vec::new(), Vec::new());
    for (name, command) in commands(options)? {
        let mut contestant = Contestant::start(&name, &command, threads, limit)?;
        let loaded: Loaded = contestant.ask(&Ask::Load(load.clone()))?;
        eprintln!("{name}: {}, {}", loaded.engine, loaded.settings);
        contestants.push(contestant);
        contested.push(Contested {
            name,
            loaded,
            peak_bytes: None,
            device_bytes: None,
            points: Vec::new(),
        });
    }
    let warm_up = match options.device.as_str() {
        "cpu" => Duration::ZERO,
        _ => WARM_UP,
    };
    for context in contexts {
        let measure = Measure {
            context,
            prompt: options.prompt as usize,
            generate: options.generate as usize,
        };
        let rounds = options.rounds as usize;
        let samples = rounds::take_turns(&mut contestants, measure, rounds, warm_up)?;
        // The first is dacapo.
        let ours = samples[0].clone()?;
        for (at, (contested, samples)) in contested.iter_mut().zip(samples).enumerate() {
            let ours = (at > 0).then_some(ours.as_slice());
            match samples {
                Ok(theirs) => contested
                    .points
                    .extend(outcome::point(measure, ours, &theirs)),
                Err(why) => notes.push(format!("no figures at a context of {context}: {why}")),
            }
        }
    }
    for (contestant, contested) in contestants.iter_mut().zip(&mut contested) {
        contested.peak_bytes = contestant.peak_bytes();
        let done: Done = contestant.ask(&Ask::Quit)?;
        contested.device_bytes = done.device_bytes;
    }
    Ok(Measurement {
        model: files.name.clone(),
        weight_bytes: files.weight_bytes,
        notes,
        contestants: contested,
    })
}

/// Names and programs, dacapo first.
fn commands(options: &Options) -> Result<Vec<(String, Vec<String>)>> {
    let us = std::env::current_exe()?.display().to_string();
    let mut commands = vec![("dacapo".to_owned(), vec![us, "contestant".to_owned()])];
    for peer in &options.peer {
        commands.push((peer.name.clone(), peer.command()?));
    }
    Ok(commands)
}
