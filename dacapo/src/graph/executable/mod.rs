//! Plans that are ready to run.

mod record;
mod workers;

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::backend::{Prepared, Refused};
use crate::device::Device;
use crate::encoder::Launched;
use crate::error::Result;
use crate::graph::{Graph, Plan};
use crate::submission::Submission;

/// How a plan is cut into parts that are recorded on several threads. Parts are whole waves, so they can have more
/// nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Nodes of the first part.
    pub first: usize,
    /// Nodes of each other part.
    pub rest: usize,
}

/// A plan whose commands are recorded: running it again costs microseconds, however many nodes it has.
///
/// An executable keeps what its nodes bind. Launches run in the order in which they were made, like other submissions
/// of the device, and any number of them can be in flight; those that are keep what they need if the executable is
/// dropped.
pub struct Executable {
    device: Device,
    /// Its nodes as they run now, in the order of submission.
    graph: Graph,
    /// As ranges of nodes.
    waves: Vec<Range<usize>>,
    /// As ranges of waves.
    parts: Vec<Range<usize>>,
    current: Mutex<Arc<Launched>>,
}

impl Split {
    /// What executables use if nothing else is asked for.
    pub const LAUNCHED: Split = Split {
        first: 128,
        rest: 128,
    };
}

impl Plan {
    /// Records the plan's commands, to be launched any number of times.
    ///
    /// ```
    /// # use dacapo::{Device, DeviceOptions, Graph, MemoryKind, PlanOptions};
    /// # let device = Device::open(&DeviceOptions::default())?;
    /// let buffer = device.buffer(64, MemoryKind::DeviceLocal)?;
    /// let graph = Graph::capture(&device, |encoder| encoder.fill(&buffer, 7))?;
    /// let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    /// executable.launch("fill")?.wait()?;
    /// assert_eq!(buffer.read::<u8>()?, [7; 64]);
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) and [`Error::Driver`](crate::Error::Driver), where the driver
    /// refuses to record.
    pub fn instantiate(&self) -> Result<Executable> {
        self.instantiate_with(Split::LAUNCHED)
    }

    /// Records the plan's commands in parts of this size. A patch records a part again, so short ones are cheap to
    /// patch; each costs something at every launch.
    ///
    /// # Errors
    /// As for [`Plan::instantiate`].
    pub fn instantiate_with(&self, split: Split) -> Result<Executable> {
        let graph = self.graph().clone();
        let waves: Vec<Range<usize>> = self.waves().collect();
        let parts = record::parts(&waves, split);
        let mut prepared = Ok(Vec::with_capacity(parts.len()));
        workers::in_order(
            parts.len(),
            |at| prepare(&graph, &waves[parts[at].clone()], at == 0),
            |_, part| match (&mut prepared, part) {
                (Ok(prepared), Ok(part)) => prepared.push(part),
                (Ok(_), Err(refused)) => prepared = Err(refused),
                (Err(_), _) => {}
            },
        );
        let core = &graph.device.core;
        let launched = Launched {
            parts: prepared.map_err(|refused| refused.into_error(core.name()))?,
            kept: Arc::new(record::kept(&graph.nodes)),
            counts: record::counts(self),
        };
        Ok(Executable {
            device: graph.device.clone(),
            current: Mutex::new(Arc::new(launched)),
            graph,
            waves,
            parts,
        })
    }
}

/// Records waves of a graph that run first in a launch, or behind others.
fn prepare(
    graph: &Graph,
    waves: &[Range<usize>],
    first: bool,
) -> Result<Arc<dyn Prepared>, Refused> {
    let mut native = graph.device.core.backend.part(first);
    record::record(&mut *native, graph, waves);
    native.prepare()
}

impl Executable {
    /// The device that runs it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The nodes as they run, in the order of submission.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Submits all nodes, after everything that was submitted before.
    ///
    /// # Errors
    /// [`Error::Mapped`](crate::Error::Mapped) while the host has a buffer mapped that the nodes use.
    pub fn launch(&self, label: &str) -> Result<Submission> {
        let core = &self.device.core;
        let launched = self.current.lock().clone();
        let mut recording = core.recording(label, true);
        recording.launch(launched, &[], None);
        core.submit(recording)
    }
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Executable({} nodes, {} waves, {} parts)",
            self.graph.nodes.len(),
            self.waves.len(),
            self.parts.len()
        )
    }
}
