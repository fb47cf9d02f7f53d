//! A capture file on a device, ready to run.
#![allow(
    unsafe_code,
    reason = "runs what a file holds as it was captured, if the user says that it is to be trusted"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use dacapo::{
    BufferView, Device, Error as RuntimeError, FusionRule, Graph, GraphFile, LoadedGraph, Plan,
    PlanOptions, Reorder,
};
use dacapo_llm::PassOptions;
use dacapo_ops::Ops;

use super::fill;
use crate::error::{Error, Result};

/// How a file is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) trust: bool,
    /// The seed of what buffers begin with.
    pub(crate) fill: Option<u64>,
    pub(crate) passes: PassOptions,
    /// Whether all values must be where the file has them.
    pub(crate) keep_all: bool,
}

pub(crate) struct Run {
    pub(crate) device: Device,
    /// In the order of the file.
    pub(crate) buffers: Vec<BufferView>,
    pub(crate) plan: Plan,
}

impl Run {
    pub(crate) fn new(file: &GraphFile<'_>, device: &Device, how: &How) -> Result<Run> {
        let fuses = how.trust && how.passes.fuse && !how.keep_all;
        let needs_natives = how.trust && device.gpu().is_none();
        let ops = match fuses || needs_natives {
            true => Some(Ops::new(device)?),
            false => None,
        };
        let filled = fill::buffers(file, device, how.fill)?;
        let LoadedGraph { graph, buffers, .. } = load(file, device, how.trust, &filled)?;
        let rules = match (&ops, fuses) {
            (Some(ops), true) => ops.fusion_rules(),
            _ => Vec::new(),
        };
        Ok(Run {
            device: device.clone(),
            buffers,
            plan: plan(&graph, &rules, how)?,
        })
    }

    /// Runs it so often; how long the device took each time.
    pub(crate) fn run(&self, times: usize) -> Result<Vec<Duration>> {
        let executable = self.plan.instantiate()?;
        let mut taken = Vec::new();
        for _ in 0..times {
            let submission = executable.launch("replay")?;
            submission.wait()?;
            taken.push(submission.gpu_time().unwrap_or_default());
        }
        Ok(taken)
    }

    /// The places of the buffers that it writes.
    pub(crate) fn written(&self) -> Vec<usize> {
        let nodes = self.plan.graph().nodes().iter();
        let args = nodes.flat_map(|node| node.args());
        let written = args.filter(|arg| arg.access.writes());
        let written: BTreeSet<_> = written.map(|arg| arg.view.allocation()).collect();
        let buffers = self.buffers.iter().enumerate();
        let known = buffers.filter(|(_, buffer)| written.contains(&buffer.allocation()));
        known.map(|(index, _)| index).collect()
    }
}

fn load(
    file: &GraphFile<'_>,
    device: &Device,
    trust: bool,
    filled: &[(usize, BufferView)],
) -> Result<LoadedGraph> {
    let given: Vec<_> = filled
        .iter()
        .map(|(index, view)| (dacapo::BufferKey::Index(*index), view))
        .collect();
    let loaded = match trust {
        false => file.load(device, &given),
        // SAFETY: the user says that the file comes from somebody whose programs may run here.
        true => unsafe { file.load_trusted(device, &given, &device.kernel_sources()) },
    };
    loaded.map_err(|error| match error {
        RuntimeError::UnsupportedKernel { .. } if !trust && device.gpu().is_none() => {
            Error::Untrusted { source: error }
        }
        error => error.into(),
    })
}

fn plan(graph: &Graph, rules: &[FusionRule], how: &How) -> Result<Plan> {
    let defaults = PlanOptions::default();
    Ok(graph.plan(&PlanOptions {
        rules,
        reorder: match how.passes.reorder {
            true => Reorder::Free,
            false => Reorder::Never,
        },
        rename_bytes: match how.keep_all {
            true => 0,
            false => defaults.rename_bytes,
        },
        ..defaults
    })?)
}
