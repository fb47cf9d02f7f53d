//! Runs a file's commands.

use std::sync::Arc;

use dacapo_reference::report::{Report, Reports};
use dacapo_reference::{Action, Binding, Machine, Order, Program, Region, Settings, Source, Step};
use naga::{AddressSpace, StorageAccess};

use super::compile::{Compiled, compile};
use super::fill;
use super::header::{Bind, Command, Header};

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reports: Vec<Report>,
    /// Of all buffers.
    pub(crate) bytes: Vec<Vec<u8>>,
    /// Why it was not finished.
    pub(crate) stopped: Option<String>,
}

/// Runs what a file's header says, in this order.
pub(crate) fn play(text: &str, order: Order) -> Result<Outcome, String> {
    let header = Header::of(text)?;
    let compiled = compile(text)?;
    let regions = regions(&header)?;
    let reports = Arc::new(Reports::default());
    let mut settings = Settings::default();
    settings.order = order;
    settings.threads = 2;
    settings.zeroed = header.zeroed;
    settings.steps = header.steps;
    let mut machine = Machine::new(settings, reports.clone());
    let mut stopped = None;
    for wave in waves(text, &header, &compiled, &regions)? {
        if let Err(error) = machine.run(&wave) {
            stopped = Some(error.reason);
            break;
        }
    }
    let read = |region: &Arc<Region>| {
        let mut bytes = vec![0; region.len() as usize];
        region.read(0, &mut bytes);
        bytes
    };
    Ok(Outcome {
        reports: reports.list(),
        bytes: regions.iter().map(read).collect(),
        stopped,
    })
}

fn regions(header: &Header) -> Result<Vec<Arc<Region>>, String> {
    let make = |(at, buffer)| {
        let bytes = fill::bytes(buffer)?;
        let len = buffer.bytes.unwrap_or(bytes.len() as u64);
        let region = Region::zeroed(&format!("buffer {at}"), len).ok_or("no memory")?;
        if !bytes.is_empty() {
            region.write(0, &bytes);
        }
        Ok(Arc::new(region))
    };
    header.buffers.iter().enumerate().map(make).collect()
}

fn waves(
    text: &str,
    header: &Header,
    compiled: &Compiled,
    regions: &[Arc<Region>],
) -> Result<Vec<Vec<Step>>, String> {
    let mut waves = vec![Vec::new()];
    let mut add = |barrier, action| {
        let number = waves.iter().map(Vec::len).sum::<usize>() as u64;
        if barrier {
            waves.push(Vec::new());
        }
        let label = "test".into();
        waves.last_mut().unwrap().push(Step {
            grid: None,
            label,
            number,
            action,
        });
    };
    if let Some(groups) = header.groups {
        let entry = &compiled
            .module
            .entry_points
            .first()
            .ok_or("no entry point")?
            .name;
        let slots = header.buffers.iter().map(|buffer| buffer.slot);
        let bind = |(buffer, slot): (usize, Option<u32>)| {
            Some(Bind {
                slot: slot?,
                buffer,
                offset: 0,
                bytes: None,
                access: None,
                value: 0,
            })
        };
        let binds: Vec<_> = slots.enumerate().filter_map(bind).collect();
        add(
            true,
            kernel(text, header, compiled, regions, entry, groups, &binds)?,
        );
    }
    for Command {
        entry,
        groups,
        bind,
        copy,
        fill,
        barrier,
    } in &header.dispatch
    {
        let command = |bind: &Bind| binding(None, regions, bind);
        let action = match (copy, fill) {
            (Some(copy), _) => Action::Copy {
                from: command(&copy.from)?,
                to: command(&copy.to)?,
            },
            (_, Some(fill)) => Action::Fill {
                to: command(fill)?,
                value: fill.value,
            },
            _ => kernel(text, header, compiled, regions, entry, *groups, bind)?,
        };
        add(*barrier, action);
    }
    Ok(waves)
}

fn kernel(
    text: &str,
    header: &Header,
    compiled: &Compiled,
    regions: &[Arc<Region>],
    entry: &str,
    groups: [u32; 3],
    binds: &[Bind],
) -> Result<Action, String> {
    let special = compiled.specialize(entry, &header.constants)?;
    let program = Program::new(&Source {
        name: entry,
        text,
        module: &special.module,
        info: &special.info,
        entry: special.entry(entry)?,
        subgroup_size: header.subgroup,
        finite: header.finite,
    })?;
    let bindings = binds
        .iter()
        .map(|bind| binding(Some(compiled), regions, bind));
    Ok(Action::Kernel {
        program: Arc::new(program),
        bindings: bindings.collect::<Result<_, _>>()?,
        inline: header.inline(),
        groups,
    })
}

fn binding(
    kernel: Option<&Compiled>,
    regions: &[Arc<Region>],
    bind: &Bind,
) -> Result<Binding, String> {
    let region = regions.get(bind.buffer).ok_or("no such buffer")?.clone();
    let len = bind.bytes.unwrap_or(region.len() - bind.offset);
    let (reads, writes) = match (bind.access.as_deref(), kernel) {
        (Some("read"), _) => (true, false),
        (Some("write"), _) => (false, true),
        (None, Some(kernel)) => (true, writes(kernel, bind.slot)?),
        _ => (true, true),
    };
    Ok(Binding {
        slot: bind.slot,
        region,
        range: bind.offset..bind.offset + len,
        reads,
        writes,
    })
}

/// Whether the variable at this slot may be written.
fn writes(kernel: &Compiled, slot: u32) -> Result<bool, String> {
    let mut variables = kernel
        .module
        .global_variables
        .iter()
        .map(|(_, variable)| variable);
    let at_slot = |binding: &naga::ResourceBinding| binding.binding == slot;
    let found = variables.find(|variable| variable.binding.as_ref().is_some_and(at_slot));
    let variable = found.ok_or_else(|| format!("nothing at slot {slot}"))?;
    Ok(
        matches!(variable.space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE)),
    )
}
