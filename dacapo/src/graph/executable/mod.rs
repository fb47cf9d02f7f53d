//! Plans that are ready to run.

mod error;
mod launch;
mod parameters;
mod patch;
mod profile;
mod record;
mod replay;
mod topology;
mod workers;

use core::fmt;
use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::backend::Prepared;
use crate::device::Device;
use crate::encoder::Launched;
use crate::error::Result;
use crate::graph::{Graph, Node, Plan, PlannedBarrier};
use crate::profile::{DispatchTrace, spanned};

pub use error::{PatchError, PatchProblem, Place, TopologyChange};
pub use launch::{Launch, Update};
pub use parameters::ParameterBlock;
pub use patch::Patch;

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
    /// The wave of each node.
    wave_of: Vec<u32>,
    /// The place of each node in the program.
    places: Vec<u32>,
    barriers: Vec<PlannedBarrier>,
    /// What profiles say of the nodes, once one was asked for.
    outline: OnceLock<Vec<DispatchTrace>>,
    current: Mutex<Current>,
}

/// What the next launch runs.
#[derive(Default)]
struct Current {
    launched: Arc<Launched>,
    /// The same commands, which also note when each dispatch runs; as many as were in flight.
    timed: Vec<Arc<Launched>>,
    /// Parts whose nodes were patched since they were recorded.
    stale: BTreeSet<usize>,
    /// Whether nodes bind other buffers since.
    rebound: bool,
}

impl Split {
    /// What executables use if nothing else is asked for. Launches of 800 nodes in parts of 64 to 800 cost the same
    /// within the noise (`cargo bench -p dacapo --bench launch`), and a patch records no more than this again.
    pub const LAUNCHED: Split = Split {
        first: 128,
        rest: 128,
    };

    /// What a plan that runs once uses if nothing else is asked for. With 8,000 small nodes on two cores, shorter parts
    /// took longer to the end, on the processor and on Mesa's software device; longer ones did not pay on either.
    pub const REPLAYED: Split = Split {
        first: 64,
        rest: 512,
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
        let _span = spanned!(self.graph().device.core, "instantiate", "");
        let graph = self.graph().clone();
        let waves: Vec<Range<usize>> = self.waves().collect();
        let wave_of = waves.iter().zip(0..);
        let wave_of = wave_of.flat_map(|(nodes, wave)| nodes.clone().map(move |_| wave));
        let mut executable = Executable {
            device: graph.device.clone(),
            current: Mutex::default(),
            wave_of: wave_of.collect(),
            places: self.places().to_vec(),
            barriers: self.barriers(),
            outline: OnceLock::new(),
            parts: record::parts(&waves, split),
            graph,
            waves,
        };
        let places: Vec<usize> = (0..executable.parts.len()).collect();
        let launched = Launched {
            parts: executable.prepare(&places, false)?,
            kept: Arc::new(record::kept(&executable.graph.nodes)),
            counts: record::counts(self, &executable.barriers),
        };
        executable.current.get_mut().launched = Arc::new(launched);
        Ok(executable)
    }
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

    /// The commands of the next launch, recorded again where nodes were patched.
    fn current(&self) -> Result<Arc<Launched>> {
        let mut current = self.current.lock();
        let Current {
            launched,
            stale,
            rebound,
            ..
        } = &mut *current;
        if stale.is_empty() {
            return Ok(launched.clone());
        }
        let mut parts = launched.parts.clone();
        let places: Vec<usize> = stale.iter().copied().collect();
        let prepared = self.prepare(&places, false)?;
        for (at, part) in places.into_iter().zip(prepared) {
            parts[at] = part;
        }
        let kept = match rebound {
            true => Arc::new(record::kept(&self.graph.nodes)),
            false => launched.kept.clone(),
        };
        *launched = Arc::new(Launched {
            parts,
            kept,
            counts: launched.counts,
        });
        stale.clear();
        *rebound = false;
        Ok(launched.clone())
    }

    /// Puts patched nodes into the graph, which bind other memory or the same.
    fn replace(&mut self, nodes: BTreeMap<usize, Node>, rebound: bool) {
        let current = self.current.get_mut();
        current.timed.clear();
        for (at, node) in nodes {
            let wave = self.wave_of[at] as usize;
            let part = self.parts.partition_point(|part| part.end <= wave);
            current.stale.insert(part);
            self.graph.nodes[at] = node;
        }
        current.rebound |= rebound;
    }

    /// Records parts at these places, with times of each dispatch if they are `timed`.
    fn prepare(&self, places: &[usize], timed: bool) -> Result<Vec<Arc<dyn Prepared>>> {
        let mut prepared = Ok(Vec::with_capacity(places.len()));
        let record = |at: usize| {
            let part = places[at];
            let core = &self.device.core;
            let mut native = core.backend.part(part == 0);
            if timed {
                native.time();
            }
            record::record(
                &mut *native,
                &self.graph,
                &self.waves[self.parts[part].clone()],
            );
            native
                .prepare()
                .map_err(|refused| refused.into_error(core.name()))
        };
        workers::in_order(places.len(), record, |_, part| {
            match (&mut prepared, part) {
                (Ok(prepared), Ok(part)) => prepared.push(part),
                (Ok(_), Err(error)) => prepared = Err(error),
                (Err(_), _) => {}
            }
        });
        prepared
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
